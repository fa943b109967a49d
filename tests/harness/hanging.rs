//! A share that hangs: a file system of the test's own over a folder beside it, in which each operation hangs while the
//! test wants it to.

use super::skipped;
use fuser::{
    AccessFlags, BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, SessionACL, TimeOrNow, WriteFlags,
};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What can hang.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    GetAttr,
    ReadDir,
    Open,
    /// At the start of a file.
    Read,
    /// Beyond its first 100,000 bytes.
    ReadOn,
    Rename,
    Create,
    Write,
    StatFs,
}

/// The kernel keeps nothing: each call of a process reaches the file system.
const NO_CACHE: Duration = Duration::ZERO;
/// A file is in its middle from here on.
const MIDDLE: u64 = 100_000;

/// What is odd about it, beside that it may hang.
#[derive(Debug, Clone, Copy)]
pub struct Quirks {
    /// Each path has an inode number of its own, and no rename knows flags, as on `sshfs` and `mergerfs`.
    pub inode_by_path: bool,
    /// How it refuses hard links; `None`: it has them.
    pub refuses_links: Option<rustix::io::Errno>,
}

impl Quirks {
    /// None.
    pub const PLAIN: Self = Self { inode_by_path: false, refuses_links: None };
}

/// What hangs now, and what has hung.
#[derive(Default)]
struct Valve {
    shut: Mutex<HashSet<Op>>,
    turned: Condvar,
    /// Calls that hang at this moment.
    hanging: Mutex<HashMap<Op, usize>>,
}

impl Valve {
    fn is_shut(&self, op: Op) -> bool {
        self.shut.lock().unwrap().contains(&op)
    }

    fn pass(&self, op: Op) {
        *self.hanging.lock().unwrap().entry(op).or_default() += 1;
        let shut = self.shut.lock().unwrap();
        drop(self.turned.wait_while(shut, |shut| shut.contains(&op)).unwrap());
        *self.hanging.lock().unwrap().entry(op).or_default() -= 1;
    }
}

/// The mounted file system; unmounted when dropped, with all that hangs in it let go before.
pub struct HangingShare {
    at: PathBuf,
    valve: Arc<Valve>,
    session: Option<BackgroundSession>,
}

impl HangingShare {
    /// Mounts the share at this folder. `None`, with a message, if FUSE or the permission to mount is missing.
    pub fn mount(at: &Path) -> Option<Self> {
        Self::mount_with(at, Quirks::PLAIN)
    }

    /// The same, with quirks.
    pub fn mount_with(at: &Path, quirks: Quirks) -> Option<Self> {
        let behind = at.with_extension("behind");
        fs::create_dir_all(at).unwrap();
        fs::create_dir_all(&behind).unwrap();
        let valve = Arc::new(Valve::default());
        let share = Share(Arc::new(Inner {
            valve: Arc::clone(&valve),
            paths: Mutex::new(HashMap::from([(INodeNo::ROOT.0, behind)])),
            files: Mutex::default(),
            quirks,
        }));
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("hanging".to_owned()), MountOption::DefaultPermissions];
        config.acl = SessionACL::All;
        match fuser::spawn_mount(share, at, &config) {
            Ok(session) => Some(Self { at: at.to_owned(), valve, session: Some(session) }),
            Err(error) => {
                skipped(&format!(
                    "no file system of the test's own is to be had here (it takes root and /dev/fuse): {error}"
                ));
                None
            }
        }
    }

    /// From here on this hangs until what is returned is dropped.
    pub fn hang(&self, op: Op) -> Hung<'_> {
        self.valve.shut.lock().unwrap().insert(op);
        Hung(self)
    }

    fn let_go(&self) {
        self.valve.shut.lock().unwrap().clear();
        self.valve.turned.notify_all();
    }

    /// How many calls hang in this.
    pub fn hanging(&self, op: Op) -> usize {
        self.valve.hanging.lock().unwrap().get(&op).copied().unwrap_or_default()
    }
}

/// Declared behind the processes that may hang, so that it is dropped before them: while it hangs, their end cannot be
/// awaited.
pub struct Hung<'a>(&'a HangingShare);

impl Drop for Hung<'_> {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

impl Drop for HangingShare {
    fn drop(&mut self) {
        self.let_go();
        // By another process: this one must not wait for itself.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
        drop(self.session.take());
    }
}

struct Share(Arc<Inner>);

struct Inner {
    valve: Arc<Valve>,
    paths: Mutex<HashMap<u64, PathBuf>>,
    files: Mutex<(u64, HashMap<u64, Arc<File>>)>,
    quirks: Quirks,
}

impl Share {
    /// Does it, on a thread of its own where it hangs.
    fn run(&self, op: Op, work: impl FnOnce(&Inner) + Send + 'static) {
        if self.0.valve.is_shut(op) {
            let inner = Arc::clone(&self.0);
            std::thread::spawn(move || {
                inner.valve.pass(op);
                work(&inner);
            });
        } else {
            work(&self.0);
        }
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_i32(error.raw_os_error().unwrap_or(5))
}

fn attributes(ino: u64, metadata: &Metadata) -> FileAttr {
    let time = |seconds: i64, ns: i64| {
        UNIX_EPOCH + Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(ns).unwrap_or(0))
    };
    let kind = metadata.file_type();
    FileAttr {
        ino: INodeNo(ino),
        size: metadata.size(),
        blocks: metadata.blocks(),
        atime: time(metadata.atime(), metadata.atime_nsec()),
        mtime: time(metadata.mtime(), metadata.mtime_nsec()),
        ctime: time(metadata.ctime(), metadata.ctime_nsec()),
        crtime: UNIX_EPOCH,
        kind: FileType::from_std(kind).unwrap_or(FileType::RegularFile),
        perm: u16::try_from(metadata.mode() & 0o7777).unwrap(),
        nlink: u32::try_from(metadata.nlink()).unwrap(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

impl Inner {
    fn path(&self, ino: INodeNo) -> PathBuf {
        self.paths.lock().unwrap().get(&ino.0).cloned().unwrap_or_default()
    }

    fn child(&self, parent: INodeNo, name: &OsStr) -> PathBuf {
        self.path(parent).join(name)
    }

    fn files(&self) -> MutexGuard<'_, (u64, HashMap<u64, Arc<File>>)> {
        self.files.lock().unwrap()
    }

    fn file(&self, handle: FileHandle) -> io::Result<Arc<File>> {
        self.files().1.get(&handle.0).cloned().ok_or_else(|| io::Error::from_raw_os_error(9))
    }

    fn keep(&self, file: File) -> FileHandle {
        let mut files = self.files();
        files.0 += 1;
        let number = files.0;
        files.1.insert(number, Arc::new(file));
        FileHandle(number)
    }

    /// What lies there, and from now on under which path its number is found.
    fn note(&self, path: &Path) -> io::Result<FileAttr> {
        let metadata = fs::symlink_metadata(path)?;
        let number = self.number(path, &metadata);
        self.paths.lock().unwrap().insert(number, path.to_owned());
        Ok(attributes(number, &metadata))
    }

    fn number(&self, path: &Path, metadata: &Metadata) -> u64 {
        if !self.quirks.inode_by_path {
            return metadata.ino();
        }
        let mut hasher = std::hash::DefaultHasher::new();
        path.hash(&mut hasher);
        // Not that of the root.
        hasher.finish() | 1 << 32
    }

    fn attributes(&self, ino: INodeNo) -> io::Result<FileAttr> {
        Ok(attributes(ino.0, &fs::symlink_metadata(self.path(ino))?))
    }

    fn open(&self, ino: INodeNo, flags: i32) -> io::Result<FileHandle> {
        let access = flags & 3;
        let open = OpenOptions::new().read(access != 1).write(access != 0).open(self.path(ino))?;
        Ok(self.keep(open))
    }

    fn create(&self, path: &Path, mode: u32, exclusive: bool) -> io::Result<(FileAttr, FileHandle)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(mode);
        let file =
            if exclusive { options.create_new(true) } else { options.create(true).truncate(false) }.open(path)?;
        Ok((self.note(path)?, self.keep(file)))
    }

    fn rename(&self, from: &Path, to: &Path, flags: RenameFlags) -> io::Result<()> {
        let flags = rustix::fs::RenameFlags::from_bits_retain(flags.bits());
        if self.quirks.inode_by_path && !flags.is_empty() {
            return Err(rustix::io::Errno::INVAL.into());
        }
        rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, flags)?;
        self.note(to).map(drop)
    }

    fn change(
        &self,
        ino: INodeNo,
        mode: Option<u32>,
        size: Option<u64>,
        mtime: Option<SystemTime>,
    ) -> io::Result<FileAttr> {
        let path = self.path(ino);
        if let Some(mode) = mode {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o7777))?;
        }
        if let Some(size) = size {
            OpenOptions::new().write(true).open(&path)?.set_len(size)?;
        }
        if let Some(mtime) = mtime {
            File::open(&path)?.set_modified(mtime)?;
        }
        self.attributes(ino)
    }
}

fn end(reply: ReplyEmpty, ended: io::Result<()>) {
    match ended {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(&error)),
    }
}

impl Filesystem for Share {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.to_owned();
        self.run(Op::GetAttr, move |inner| match inner.note(&inner.child(parent, &name)) {
            Ok(found) => reply.entry(&NO_CACHE, &found, Generation(0)),
            Err(error) => reply.error(errno(&error)),
        });
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.run(Op::GetAttr, move |inner| match inner.attributes(ino) {
            Ok(found) => reply.attr(&NO_CACHE, &found),
            Err(error) => reply.error(errno(&error)),
        });
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mtime = mtime.map(|at| match at {
            TimeOrNow::SpecificTime(at) => at,
            TimeOrNow::Now => SystemTime::now(),
        });
        self.run(Op::Write, move |inner| match inner.change(ino, mode, size, mtime) {
            Ok(found) => reply.attr(&NO_CACHE, &found),
            Err(error) => reply.error(errno(&error)),
        });
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let name = name.to_owned();
        self.run(Op::Create, move |inner| {
            let path = inner.child(parent, &name);
            match fs::create_dir(&path).and_then(|()| inner.note(&path)) {
                Ok(found) => reply.entry(&NO_CACHE, &found, Generation(0)),
                Err(error) => reply.error(errno(&error)),
            }
        });
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        end(reply, fs::remove_file(self.0.child(parent, name)));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        end(reply, fs::remove_dir(self.0.child(parent, name)));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        to: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (name, new_name) = (name.to_owned(), new_name.to_owned());
        self.run(Op::Rename, move |inner| {
            end(reply, inner.rename(&inner.child(parent, &name), &inner.child(to, &new_name), flags));
        });
    }

    fn link(&self, _: &Request, ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let (from, to) = (self.0.path(ino), self.0.child(parent, name));
        let linked = self.0.quirks.refuses_links.map_or_else(|| fs::hard_link(from, &to), |why| Err(why.into()));
        match linked.and_then(|()| self.0.note(&to)) {
            Ok(found) => reply.entry(&NO_CACHE, &found, Generation(0)),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.run(Op::Open, move |inner| match inner.open(ino, flags.0) {
            Ok(handle) => reply.opened(handle, FopenFlags::FOPEN_DIRECT_IO),
            Err(error) => reply.error(errno(&error)),
        });
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, flags: i32, reply: ReplyCreate) {
        let name = name.to_owned();
        let exclusive = rustix::fs::OFlags::from_bits_retain(flags.cast_unsigned()).contains(rustix::fs::OFlags::EXCL);
        self.run(Op::Create, move |inner| match inner.create(&inner.child(parent, &name), mode, exclusive) {
            Ok((found, handle)) => {
                reply.created(&NO_CACHE, &found, Generation(0), handle, FopenFlags::FOPEN_DIRECT_IO);
            }
            Err(error) => reply.error(errno(&error)),
        });
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.run(if offset < MIDDLE { Op::Read } else { Op::ReadOn }, move |inner| {
            let mut buffer = vec![0; size as usize];
            match inner.file(handle).and_then(|file| file.read_at(&mut buffer, offset)) {
                Ok(count) => reply.data(&buffer[..count]),
                Err(error) => reply.error(errno(&error)),
            }
        });
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let data = data.to_owned();
        self.run(Op::Write, move |inner| match inner.file(handle).and_then(|file| file.write_at(&data, offset)) {
            Ok(count) => reply.written(u32::try_from(count).unwrap()),
            Err(error) => reply.error(errno(&error)),
        });
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.0.files().1.remove(&handle.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        self.run(Op::ReadDir, move |inner| {
            let entries = match fs::read_dir(inner.path(ino)) {
                Ok(entries) => entries,
                Err(error) => return reply.error(errno(&error)),
            };
            let mut names: Vec<_> = entries.filter_map(Result::ok).collect();
            names.sort_by_key(fs::DirEntry::file_name);
            for (at, entry) in names.iter().enumerate().skip(usize::try_from(offset).unwrap()) {
                let Ok(metadata) = entry.metadata() else { continue };
                let kind = FileType::from_std(metadata.file_type()).unwrap_or(FileType::RegularFile);
                let number = inner.number(&entry.path(), &metadata);
                if reply.add(INodeNo(number), at as u64 + 1, kind, entry.file_name()) {
                    break;
                }
            }
            reply.ok();
        });
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        self.run(Op::StatFs, move |_| reply.statfs(1 << 20, 1 << 19, 1 << 19, 1 << 20, 1 << 19, 4096, 255, 4096));
    }

    fn access(&self, _: &Request, _: INodeNo, _: AccessFlags, reply: ReplyEmpty) {
        self.run(Op::GetAttr, move |_| reply.ok());
    }
}

/// Waits for the end of a command, so long at most; what it said and how it ended.
pub fn within(patience: Duration, mut command: Command, dir: &Path) -> Option<std::process::Output> {
    let (out, err) = (dir.join("command.out"), dir.join("command.err"));
    let mut child = command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap()).spawn().unwrap();
    let until = Instant::now() + patience;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(std::process::Output {
                status,
                stdout: fs::read(out).unwrap(),
                stderr: fs::read(err).unwrap(),
            });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // It may hang beyond any signal until the share answers.
    let _ = child.kill();
    std::thread::spawn(move || child.wait());
    None
}
