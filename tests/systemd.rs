//! The package, the unit and the daemon under a real systemd.
//!
//! `tests/systemd/boot.sh` boots this machine's own systemd as process 1 of a temporary copy of this machine. There
//! `tests/systemd/guest.sh` installs the package and compares it with `tests/systemd/checks`. This needs root, Linux
//! and a systemd. If it is impossible, the test prints a message and passes. With `DATADROP_TEST_SYSTEMD=1` it fails
//! instead.
//!
//! The test packs the package from the list in `Cargo.toml`, so it does not need `cargo deb`. To test a package that
//! `cargo deb` has made: `DATADROP_TEST_PACKAGE=/…/target/debian/datadrop_0.1.0-1_amd64.deb`.

use crate::harness::skipped;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Exit status of `boot.sh` if it cannot boot a systemd.
const CANNOT: i32 = 77;
/// Timeout in seconds. On an idle machine everything takes less than a minute.
const LONGEST_SECONDS: &str = "300";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// `[package.metadata.deb]` of `Cargo.toml`.
fn metadata() -> toml::Table {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    manifest["package"]["metadata"]["deb"].as_table().unwrap().clone()
}

/// Source, destination and mode of each file of the package.
fn assets(generated: &Path) -> Vec<(PathBuf, PathBuf, u32)> {
    let program = env!("CARGO_BIN_EXE_datadrop");
    succeeds(Command::new(root().join("systemd/prepare-package")).args([Path::new(program), generated]));
    let metadata = metadata();
    let list = metadata["assets"].as_array().unwrap().iter().flat_map(|asset| {
        let words: Vec<&str> = asset.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let [source, destination, mode] = words[..] else { panic!("{asset:?}: three words make an asset") };
        let from = match (source, source.strip_prefix("target/package/")) {
            ("target/release/datadrop", _) => PathBuf::from(program),
            (_, Some(name)) => generated.join(name),
            (_, None) => root().join(source),
        };
        let files = if source.contains('*') { like(&from) } else { vec![from] };
        let mode = u32::from_str_radix(mode, 8).unwrap();
        let placed = files.into_iter().map(move |from| {
            let name = if destination.ends_with('/') { from.file_name().unwrap().to_owned() } else { "".into() };
            (from, Path::new(destination).join(name), mode)
        });
        placed.collect::<Vec<_>>()
    });
    list.collect()
}

/// The files that a pattern such as `man/*.1` matches: everything in its folder with the same ending.
fn like(pattern: &Path) -> Vec<PathBuf> {
    let end = pattern.file_name().unwrap().to_str().unwrap().strip_prefix('*').unwrap();
    let files: Vec<PathBuf> = fs::read_dir(pattern.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(end))
        .collect();
    assert!(!files.is_empty(), "{} names nothing", pattern.display());
    files
}

/// Writes the files of the package to their destinations.
fn lay_out(tree: &Path, generated: &Path) {
    for (from, to, mode) in assets(generated) {
        // Joining an empty path to a file leaves a separator at its end. This removes the separator.
        let to = tree.join(to.components().collect::<PathBuf>());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        fs::set_permissions(&to, Permissions::from_mode(mode)).unwrap();
    }
}

/// Packs the tree with the scripts of the package, like `cargo deb`.
fn pack(tree: &Path, version: &str, package: &Path) {
    let metadata = metadata();
    let control = tree.join("DEBIAN");
    fs::create_dir_all(&control).unwrap();
    let scripts = root().join(metadata["maintainer-scripts"].as_str().unwrap());
    for script in fs::read_dir(scripts).unwrap() {
        let script = script.unwrap();
        fs::copy(script.path(), control.join(script.file_name())).unwrap();
    }
    let conffiles: Vec<&str> =
        metadata["conf-files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    fs::write(control.join("conffiles"), conffiles.join("\n") + "\n").unwrap();
    let architecture = Command::new("dpkg").arg("--print-architecture").output().unwrap().stdout;
    let about = format!(
        "Package: datadrop\nVersion: {version}\nArchitecture: {}\nMaintainer: {}\nDescription: {}\n",
        String::from_utf8(architecture).unwrap().trim(),
        metadata["maintainer"].as_str().unwrap(),
        env!("CARGO_PKG_DESCRIPTION")
    );
    fs::write(control.join("control"), about).unwrap();
    succeeds(Command::new("dpkg-deb").args(["--root-owner-group", "-Znone", "--build"]).args([tree, package]));
    fs::remove_dir_all(control).unwrap();
}

fn cannot(why: &str) {
    assert!(std::env::var_os("DATADROP_TEST_SYSTEMD").is_none(), "no systemd was booted: {why}");
    skipped(&format!("package, unit and daemon under a real systemd: {why}"));
}

#[test]
fn the_installed_service_keeps_its_promises_under_a_real_systemd() {
    let here = root().join("tests/systemd");
    let temporary = tempfile::tempdir().unwrap();
    let stage = temporary.path().join("stage");
    let tree = stage.join("tree");
    fs::create_dir_all(stage.join("checks")).unwrap();
    // Other users of the guest read it.
    fs::set_permissions(&stage, Permissions::from_mode(0o755)).unwrap();
    for script in ["guest.sh", "probe.sh"] {
        fs::copy(here.join(script), stage.join(script)).unwrap();
    }
    for checks in fs::read_dir(here.join("checks")).unwrap() {
        let checks = checks.unwrap();
        fs::copy(checks.path(), stage.join("checks").join(checks.file_name())).unwrap();
    }
    fs::copy(env!("CARGO_BIN_EXE_datadrop"), stage.join("datadrop")).unwrap();
    lay_out(&tree, &temporary.path().join("generated"));
    if is_there("dpkg-deb") {
        for version in ["1", "2"] {
            pack(&tree, version, &stage.join(format!("datadrop_{version}.deb")));
        }
        if let Some(package) = std::env::var_os("DATADROP_TEST_PACKAGE") {
            fs::copy(package, stage.join("datadrop_1.deb")).unwrap();
        }
    }

    let mut boot = Command::new("bash");
    boot.arg(here.join("boot.sh")).arg(&stage).arg(LONGEST_SECONDS);
    let output = boot.output().unwrap();
    let log = fs::read_to_string(stage.join("log")).unwrap_or_default();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(CANNOT) {
        cannot(said.trim());
    } else if !log.starts_with("booted") {
        cannot(&format!("it does not come up here ({}): {}", output.status, said.trim()));
    } else {
        eprintln!("{log}");
        let last = log.lines().last().unwrap_or_default();
        assert!(output.status.success() && last.starts_with("all held"), "{}: {said}\n{log}", output.status);
    }
}
