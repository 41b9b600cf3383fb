//! Files as they are found, and as they are left.

use super::*;

/// A directory of its own for each test, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let random = random_seed().unwrap();
        let name = format!(
            "archipelago-identity-{:x}",
            u64::from_le_bytes(random[..8].try_into().unwrap())
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn key(&self) -> PathBuf {
        self.0.join("node.key")
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn generated_nodes_differ() {
    let (one, two) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    assert_ne!(one.id(), two.id());
}

#[test]
fn the_keypair_of_the_handshake_is_the_same_key() {
    let identity = Identity::generate().unwrap();
    let public = identity.keypair().public().try_into_ed25519().unwrap();
    assert_eq!(NodeId(public.to_bytes()), identity.id());
    let signature = identity.crypto().sign("d", b"x");
    assert!(
        identity
            .crypto()
            .verify(&identity.id(), "d", b"x", &signature)
    );
}

#[test]
fn a_key_file_keeps_the_node_and_raises_its_boot() {
    let directory = Directory::new();
    let first = Identity::load_or_create(&directory.key()).unwrap();
    let second = Identity::load_or_create(&directory.key()).unwrap();
    assert_eq!(first.id(), second.id());
    assert!(second.boot() > first.boot());
    assert_eq!(directory.names(), ["node.key", "node.key.boot"]);
}

#[test]
fn the_boot_rises_though_the_clock_went_back() {
    let directory = Directory::new();
    let mut ahead = Identity::load_or_create(&directory.key()).unwrap();
    let far = Boot(ahead.boot().0 + 3_600_000_000);
    ahead.raise_boot(far).unwrap();
    ahead.raise_boot(Boot(5)).unwrap();
    assert_eq!(ahead.boot(), far);
    let next = Identity::load_or_create(&directory.key()).unwrap();
    assert_eq!(next.boot(), Boot(far.0 + 1));
}

/// A8: the last number there is does not wrap round to the first, and is not used twice.
#[test]
fn a8_after_the_last_boot_there_is_no_next() {
    let directory = Directory::new();
    Identity::load_or_create(&directory.key()).unwrap();
    for text in [
        "18446744073709551615\n",
        "-1",
        "",
        "x",
        "99999999999999999999",
    ] {
        std::fs::write(boot::path_beside(&directory.key()), text).unwrap();
        let error = Identity::load_or_create(&directory.key()).unwrap_err();
        assert!(
            matches!(error, IdentityError::MalformedBoot { .. }),
            "{error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn files_are_made_for_their_owner_only() {
    let directory = Directory::new();
    Identity::load_or_create(&directory.key()).unwrap();
    assert_eq!(mode(&directory.key()), 0o600);
    assert_eq!(mode(&boot::path_beside(&directory.key())), 0o600);
}

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_refused_with_the_remedy() {
    let directory = Directory::new();
    let made = Identity::load_or_create(&directory.key()).unwrap();
    for open in [0o640, 0o604, 0o660, 0o601] {
        set_mode(&directory.key(), open);
        let error = Identity::load_or_create(&directory.key()).unwrap_err();
        assert!(matches!(error, IdentityError::TooOpen { mode, .. } if mode == open));
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    set_mode(&directory.key(), 0o400);
    let again = Identity::load_or_create(&directory.key()).unwrap();
    assert_eq!(again.id(), made.id());
}

#[cfg(unix)]
#[test]
fn a_file_that_holds_no_key_is_refused_and_left_alone() {
    let directory = Directory::new();
    let zeros = "0".repeat(64);
    let texts = [
        String::new(),
        "archipelago-key-1 ".into(),
        zeros.clone(),
        format!("archipelago-key-1 {zeros}00"),
        format!("archipelago-key-1 g{}", &zeros[1..]),
        "x".repeat(100_000),
    ];
    for text in texts {
        std::fs::write(directory.key(), &text).unwrap();
        set_mode(&directory.key(), 0o600);
        let error = Identity::load_or_create(&directory.key()).unwrap_err();
        assert!(
            matches!(error, IdentityError::MalformedKey { .. }),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(directory.key()).unwrap(), text);
    }
}

#[test]
fn a_missing_directory_is_said() {
    let directory = Directory::new();
    let error = Identity::load_or_create(&directory.0.join("no/where.key")).unwrap_err();
    assert!(matches!(error, IdentityError::Write { .. }), "{error}");
    assert!(error.to_string().contains("where.key"), "{error}");
}

#[test]
fn of_those_who_make_the_file_at_once_one_makes_it_and_all_use_it() {
    let directory = Directory::new();
    let path = directory.key();
    let ids: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Identity::load_or_create(&path).unwrap().id()))
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(directory.names(), ["node.key", "node.key.boot"]);
}

#[test]
fn debug_shows_no_secret() {
    let identity = Identity::generate().unwrap();
    let shown = format!("{identity:?}");
    assert!(
        shown.starts_with(&format!("Identity({}", identity.id())),
        "{shown}"
    );
    assert!(shown.len() < 60, "{shown}");
}
