use super::*;
use rustix::fs::FileType;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;

fn directory() -> (tempfile::TempDir, Directory) {
    let dir = tempfile::tempdir().unwrap();
    let opened = Directory::open(dir.path()).unwrap();
    (dir, opened)
}

fn pipe(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
}

#[test]
fn f9_what_is_not_plain_is_told_and_never_opened() {
    let (dir, opened) = directory();
    fs::write(dir.path().join("plain"), "x").unwrap();
    fs::create_dir(dir.path().join("directory")).unwrap();
    symlink("plain", dir.path().join("link")).unwrap();
    pipe(&dir.path().join("pipe"));
    let _listener = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    for (name, words) in
        [("directory", "a directory"), ("link", "a symbolic link"), ("pipe", "a named pipe"), ("socket", "a socket")]
    {
        let entry = opened.entry(name).unwrap();
        assert_eq!(entry.entry_type.words(), words);
        assert!(opened.open_file(name, &entry).unwrap_err().to_string().contains(words));
    }
    // What takes the name of a plain file just after the look is neither followed nor waited for.
    let plain = opened.entry("plain").unwrap();
    for name in ["directory", "link", "pipe", "socket"] {
        assert!(opened.open_file(name, &plain).is_err(), "{name}");
    }
    symlink("directory", dir.path().join("linked")).unwrap();
    assert_eq!(opened.open_directory("linked").unwrap_err().kind(), io::ErrorKind::NotADirectory);
    assert_eq!(opened.open_directory("pipe").unwrap_err().kind(), io::ErrorKind::NotADirectory);
    assert!(opened.open_directory("directory").is_ok());
}

#[test]
fn f9_replacing_and_linking_take_the_link_and_leave_its_target() {
    let (dir, opened) = directory();
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    symlink(&secret, dir.path().join("link")).unwrap();
    opened.link("link", &opened, "second").unwrap();
    assert_eq!(opened.entry("second").unwrap().entry_type, EntryType::Link);
    fs::hard_link(&secret, dir.path().join("hard")).unwrap();
    for name in ["link", "second", "hard"] {
        fs::write(dir.path().join("new"), "new").unwrap();
        opened.replace("new", name).unwrap();
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), b"new");
    }
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
    fs::create_dir(dir.path().join("directory")).unwrap();
    fs::write(dir.path().join("new"), "new").unwrap();
    assert_eq!(opened.replace("new", "directory").unwrap_err().kind(), io::ErrorKind::IsADirectory);
    assert_eq!(opened.remove("directory").unwrap_err().kind(), io::ErrorKind::IsADirectory);
}

#[test]
fn a_locked_directory_is_locked_by_whatever_path_it_is_reached() {
    let (dir, opened) = directory();
    let link = dir.path().join("here");
    symlink(".", &link).unwrap();
    let again = Directory::open(&link).unwrap();
    assert!(!again.is_locked().unwrap());
    opened.try_lock().unwrap();
    assert!(again.is_locked().unwrap());
    assert!(matches!(again.try_lock(), Err(TryLockError::WouldBlock)));
    drop(opened);
    again.try_lock().unwrap();
}

#[test]
fn f9_a_hidden_file_is_new_and_goes_unless_it_is_put_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Directory::open(dir.path()).unwrap();
    let (mut file, hidden) = opened.create_hidden("why", 0o600).unwrap();
    assert!(is_hidden_for("why", hidden.name()) && !is_hidden_for("mark", hidden.name()));
    file.write_all(b"text").unwrap();
    hidden.rename("x").unwrap();
    assert_eq!(fs::read(dir.path().join("x")).unwrap(), b"text");
    let (_, hidden) = opened.create_hidden("why", 0o600).unwrap();
    assert_eq!(hidden.rename("x").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    drop(opened.create_hidden("why", 0o600).unwrap());
    assert_eq!(opened.names().unwrap().collect::<io::Result<Vec<_>>>().unwrap(), ["x"]);
}
