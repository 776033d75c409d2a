//! What a folder gives back, and what it makes of files that are not as they should be.

use tempfile::TempDir;

use super::*;

fn app() -> Repository {
    "registry.example/app".parse().expect("it is one")
}

fn digest(number: usize) -> Digest {
    let text = format!("sha256:{number:064x}");
    text.parse().expect("it has 64 digits")
}

fn image() -> Document {
    Document::Image(Build {
        platform: "linux/arm/v7".parse().ok(),
        created: "2024-05-01T12:00:00.123456789Z".parse().ok(),
    })
}

fn index() -> Document {
    Document::Index(vec![
        Entry {
            digest: digest(2),
            platform: "linux/amd64".parse().ok(),
        },
        Entry {
            digest: digest(3),
            platform: None,
        },
    ])
}

fn open(folder: &TempDir) -> BuildFolder {
    BuildFolder::open(folder.path()).expect("the folder can be made")
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("there is room for a folder")
}

/// Writes, spoils the file, and expects that it counts as absent and is then replaced.
async fn check_spoilt(spoil: impl Fn(&Path)) {
    let temporary = temporary();
    let folder = open(&temporary);
    folder.write(&app(), &digest(1), &image()).await;
    spoil(&folder.path(&app(), &digest(1)));
    assert_eq!(folder.read(&app(), &digest(1)).await, None);
    folder.write(&app(), &digest(1), &index()).await;
    assert_eq!(folder.read(&app(), &digest(1)).await, Some(index()));
}

#[tokio::test]
async fn what_was_written_is_read_by_the_next_process() {
    let temporary = temporary();
    let documents = [image(), index(), Document::Other];
    let first = open(&temporary);
    assert!(!first.has_inherited(&app()));
    for (number, document) in documents.iter().enumerate() {
        first.write(&app(), &digest(number), document).await;
    }
    let second = open(&temporary);
    assert!(second.has_inherited(&app()));
    for (number, document) in documents.iter().enumerate() {
        let read = second.read(&app(), &digest(number)).await;
        assert_eq!(read.as_ref(), Some(document));
    }
    let other = "registry.example/other".parse().expect("it is one");
    assert_eq!(second.read(&other, &digest(0)).await, None);
    assert!(!second.has_inherited(&other));
}

#[tokio::test]
async fn a_file_that_was_cut_short_counts_as_absent() {
    check_spoilt(|file| {
        let text = fs::read_to_string(file).expect("it is there");
        fs::write(file, &text[..text.len() / 2]).expect("it can be written");
    })
    .await;
}

#[tokio::test]
async fn a_file_that_says_something_else_counts_as_absent() {
    check_spoilt(|file| {
        let text = fs::read_to_string(file).expect("it is there");
        fs::write(file, text.replace("arm", "m68")).expect("it can be written");
    })
    .await;
}

#[tokio::test]
async fn a_file_of_noise_or_without_end_counts_as_absent() {
    check_spoilt(|file| fs::write(file, [0xff; 64]).expect("it can be written")).await;
    check_spoilt(|file| {
        let text = fs::read_to_string(file).expect("it is there");
        fs::write(file, format!("{text}{}", "\n".repeat(70_000))).expect("it can be written");
    })
    .await;
}

#[tokio::test]
async fn a_file_under_the_name_of_another_digest_counts_as_absent() {
    let temporary = temporary();
    let folder = open(&temporary);
    folder.write(&app(), &digest(1), &image()).await;
    let (from, to) = (
        folder.path(&app(), &digest(1)),
        folder.path(&app(), &digest(2)),
    );
    fs::rename(from, to).expect("it can be renamed");
    assert_eq!(folder.read(&app(), &digest(2)).await, None);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_survived() {
    let temporary = temporary();
    let folder = open(&temporary);
    // A file where the repository's folder belongs fails as a full disk does, for root as well.
    let in_the_way = folder.root.join(folder_name(&app()));
    fs::write(&in_the_way, "").expect("it can be written");
    folder.write(&app(), &digest(1), &image()).await;
    assert_eq!(folder.read(&app(), &digest(1)).await, None);
    fs::remove_file(&in_the_way).expect("it can be removed");
    folder.write(&app(), &digest(1), &image()).await;
    assert_eq!(folder.read(&app(), &digest(1)).await, Some(image()));
}

#[tokio::test]
async fn what_was_left_unfinished_is_cleared_away() {
    let temporary = temporary();
    let folder = open(&temporary);
    folder.write(&app(), &digest(1), &image()).await;
    let path = folder.path(&app(), &digest(1));
    let unfinished = path.with_file_name(format!("{UNFINISHED}1-1"));
    fs::write(&unfinished, "{").expect("it can be written");
    let again = open(&temporary);
    assert!(!unfinished.exists());
    assert_eq!(again.files.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_files_that_were_written_first_are_removed_first() {
    let temporary = temporary();
    let folder = open(&temporary);
    for number in 0..6 {
        folder.write(&app(), &digest(number), &image()).await;
        let age = std::time::Duration::from_secs(number as u64);
        let time = SystemTime::UNIX_EPOCH + age;
        let file = fs::File::options()
            .write(true)
            .open(folder.path(&app(), &digest(number)))
            .expect("it is there");
        file.set_modified(time).expect("its time can be set");
    }
    assert_eq!(prune(&folder.root, 2).expect("it can be read"), 2);
    let mut left = Vec::new();
    for number in 0..6 {
        if folder.read(&app(), &digest(number)).await.is_some() {
            left.push(number);
        }
    }
    assert_eq!(left, [4, 5]);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_look_into_the_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let temporary = temporary();
    let folder = open(&temporary);
    let mode = fs::metadata(&folder.root)
        .expect("it is there")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o700);
}
