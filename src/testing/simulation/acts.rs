//! What people and programs do to a folder, act by act, and how a drop comes about.

use super::script::{Chance, Dropped, Marker, Way};
use std::fmt;
use std::time::Duration;

/// One thing that somebody does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Writes elsewhere, renames in.
    MoveIn { name: String, content: Vec<u8> },
    /// Links in what was written elsewhere.
    LinkIn { name: String, content: Vec<u8> },
    /// Opens for writing, new or truncated, and writes. No writer begins a file that another is writing.
    Begin { name: String, content: Vec<u8>, writer: u64 },
    /// Opens what another is writing, to write to its end.
    Join { name: String, writer: u64 },
    /// Opens it again, or creates it where it is gone, and writes to its end.
    GoOn { name: String, content: Vec<u8>, writer: u64 },
    /// Writes more to the file that was begun.
    Append { name: String, content: Vec<u8>, writer: u64 },
    /// Somebody else opens it for writing and closes it, and writes nothing.
    Touch { name: String },
    /// Closes it: now it is complete, unless another has it open.
    Close { name: String, writer: u64 },
    /// `rsync` renames in what it kept of a transfer that broke off: with a time of 1970, or without its last line end.
    KeepPart { name: String, content: Vec<u8>, is_of_1970: bool },
    /// Renames within the folder.
    Rename { from: String, to: String, writer: u64 },
    /// Removes.
    Remove { name: String },
    /// Removes what is still empty, as the reason of its job says.
    RemoveEmpty { name: String },
    /// Moves something back out of `held/` or `failed/`.
    MoveBack,
}

/// Contents as text, for the story.
impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |content: &[u8]| String::from_utf8_lossy(content).replace('\n', "|").replace('\t', " ");
        match self {
            Self::MoveIn { name, content } => write!(f, "{name} is renamed in: {}", text(content)),
            Self::LinkIn { name, content } => write!(f, "{name} is linked in: {}", text(content)),
            Self::Begin { name, content, .. } => write!(f, "{name} is begun: {}", text(content)),
            Self::Join { name, .. } => write!(f, "{name} is opened by a second writer"),
            Self::GoOn { name, content, .. } => write!(f, "{name} is opened again and written on: {}", text(content)),
            Self::Append { name, content, .. } => write!(f, "{name} is written on: {}", text(content)),
            Self::Touch { name } => write!(f, "{name} is opened and closed by somebody else"),
            Self::Close { name, .. } => write!(f, "{name} is closed"),
            Self::KeepPart { name, content, .. } => write!(f, "{name} is renamed in by rsync: {}", text(content)),
            Self::Rename { from, to, .. } => write!(f, "{from} is renamed to {to}"),
            Self::Remove { name } => write!(f, "{name} is removed"),
            Self::RemoveEmpty { name } => write!(f, "{name} is removed if it is still empty"),
            Self::MoveBack => f.write_str("something is moved back"),
        }
    }
}

/// Acts with their times.
type Steps = Vec<(Duration, Act)>;

/// What a drop comes to. `leases`: the kernel says who writes.
pub(super) fn steps_of(dropped: &Dropped, leases: bool, chance: &mut Chance) -> Steps {
    let name = dropped.name.to_owned();
    let mut chunks: Vec<Vec<u8>> = (0..dropped.chunks).map(|chunk| chunk_of(dropped.content, chunk)).collect();
    // Some programs end their files without a line end.
    if dropped.content % 4 == 2
        && let Some(last) = chunks.last_mut()
    {
        last.pop();
    }
    let whole = chunks.concat();
    let marker = format!("{}.fin", crate::job::stem(dropped.name));
    let mut steps = Vec::new();
    let mut at = Duration::ZERO;
    let writer = chance.below(u64::MAX);
    if dropped.marker == Marker::Before {
        steps.push((at, Act::MoveIn { name: marker.clone(), content: Vec::new() }));
        at += chance.millis(0, 3000);
    }
    let mut written = |steps: &mut Steps, at: &mut Duration, first: &str, then: &str| {
        for (index, content) in chunks.iter().cloned().enumerate() {
            let name = if index == 0 { first } else { then }.to_owned();
            if index == 0 {
                steps.push((*at, Act::Begin { name: name.clone(), content, writer }));
                if first != then {
                    steps.push((*at, Act::Rename { from: name, to: then.to_owned(), writer }));
                }
            } else {
                steps.push((*at, Act::Append { name, content, writer }));
            }
            if leases && chance.percent(30) {
                steps.push((*at, Act::Touch { name: then.to_owned() }));
            }
            // Shorter than what proves completeness without events and leases.
            let is_long = leases && chance.percent(30);
            *at += if is_long { chance.seconds(5, 400) } else { chance.millis(1, 4000) };
        }
        steps.push((*at, Act::Close { name: then.to_owned(), writer }));
    };
    match dropped.way {
        Way::MovedIn => steps.push((at, Act::MoveIn { name, content: whole })),
        Way::Linked => steps.push((at, Act::LinkIn { name, content: whole })),
        Way::Written => written(&mut steps, &mut at, &name, &name),
        Way::Renamed => {
            let hidden = format!(".{name}.part");
            written(&mut steps, &mut at, &hidden, &hidden);
            steps.push((at, Act::Rename { from: hidden, to: name, writer }));
        }
        Way::RenamedWhileWritten => written(&mut steps, &mut at, &format!(".{name}.part"), &name),
        Way::InPieces => {
            let pause = chance.millis(300, 20_000);
            for (index, content) in chunks.into_iter().enumerate() {
                let name = name.clone();
                steps.push((
                    at,
                    if index == 0 {
                        Act::Begin { name: name.clone(), content, writer }
                    } else {
                        Act::GoOn { name: name.clone(), content, writer }
                    },
                ));
                at += chance.millis(0, 200);
                steps.push((at, Act::Close { name, writer }));
                at += pause;
            }
        }
        Way::ByTwo => {
            written(&mut steps, &mut at, &name, &name);
            // Without leases datadrop cannot know that there are two.
            if leases && let Some(begun) = steps.iter().position(|(_, act)| matches!(act, Act::Begin { .. })) {
                let second = chance.below(u64::MAX);
                steps.insert(begun + 1, (steps[begun].0, Act::Join { name: name.clone(), writer: second }));
                at += chance.seconds(0, 200);
                let content = chunk_of(dropped.content, 10);
                steps.push((at, Act::Append { name: name.clone(), content, writer: second }));
                at += chance.millis(0, 5000);
                steps.push((at, Act::Close { name, writer: second }));
            }
        }
        Way::BrokenOff => {
            // A copy is made byte by byte, so it breaks off within a line.
            let content = whole[..whole.len() - 5].to_vec();
            steps.push((at, Act::Begin { name: name.clone(), content, writer }));
            at += chance.millis(0, 2000);
            steps.push((at, Act::Close { name: name.clone(), writer }));
            at += chance.seconds(1, 80);
            if chance.percent(50) {
                steps.push((at, Act::Begin { name: name.clone(), content: whole, writer }));
                at += chance.millis(0, 2000);
                steps.push((at, Act::Close { name, writer }));
            } else {
                steps.push((at, Act::MoveIn { name, content: whole }));
            }
        }
        Way::TransferBrokenOff => {
            let is_of_1970 = chance.percent(50);
            let content = whole[..whole.len() - 5].to_vec();
            steps.push((at, Act::KeepPart { name: name.clone(), content, is_of_1970 }));
            at += chance.seconds(1, 80);
            steps.push((at, Act::MoveIn { name, content: whole }));
        }
    }
    let later = match dropped.marker {
        Marker::None | Marker::Before => None,
        Marker::After => Some(Duration::ZERO),
        Marker::MuchLater => Some(chance.seconds(1, 300)),
    };
    if let Some(later) = later {
        steps.push((at + later, Act::MoveIn { name: marker, content: Vec::new() }));
    }
    steps
}

/// A part of a content: a line or two, so that rows can be lost.
pub(super) fn chunk_of(content: u64, chunk: u64) -> Vec<u8> {
    let head = if chunk == 0 { "Date\tEvar 1\tEvent 1\n" } else { "" };
    // Contents share their days, as exports of the same day do.
    let day = 1 + content % 23;
    format!("{head}11/{day:02}/2026\tcontent {content} part {chunk}\t1\n11/{day:02}/2026\tmore of {content}\t{chunk}\n")
        .into_bytes()
}
