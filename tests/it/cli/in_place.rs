//! `edit -i` replaces a file in one step: its mode stays, nothing is left beside it, and a file that
//! says all of it already is not touched.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use tempfile::TempDir;

use super::{Ran, run_in};

/// A folder with `values.yaml`.
fn values() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("values.yaml");
    fs::write(&path, "image:\n  tag: v1 # ours\n").expect("the folder can be written");
    folder
}

fn set(folder: &Path, file: &str, tag: &str) -> Ran {
    let set = format!("--set=image.tag={tag}");
    run_in(folder, &["edit", "helm-values", "-i", file, &set], b"")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.expect("the folder can be read").file_name();
        name.to_string_lossy().into_owned()
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

#[track_caller]
fn check_mode(mode: u32) {
    let folder = values();
    let path = folder.path().join("values.yaml");
    fs::set_permissions(&path, Permissions::from_mode(mode)).expect("the mode can be set");
    set(folder.path(), "values.yaml", "v2").done();
    let metadata = fs::metadata(&path).expect("the file is there");
    assert_eq!(metadata.mode() & 0o7777, mode);
    let text = fs::read_to_string(&path).expect("the file is text");
    assert_eq!(text, "image:\n  tag: v2 # ours\n");
    assert_eq!(names(folder.path()), ["values.yaml"]);
}

#[test]
fn the_mode_is_kept() {
    for mode in [0o644, 0o600, 0o664, 0o755, 0o444] {
        check_mode(mode);
    }
}

#[test]
fn the_owner_is_kept_where_that_is_allowed() {
    let folder = values();
    let path = folder.path().join("values.yaml");
    let owner = |path: &Path| {
        let metadata = fs::metadata(path).expect("the file is there");
        (metadata.uid(), metadata.gid())
    };
    // Only root may give files away; for all others the owner is the one who runs this.
    chown(&path, Some(4321), Some(4321)).ok();
    let before = owner(&path);
    set(folder.path(), "values.yaml", "v2").done();
    assert_eq!(owner(&path), before);
}

#[test]
fn whoever_has_the_old_file_open_reads_the_old_text() {
    let folder = values();
    let path = folder.path().join("values.yaml");
    let old = fs::File::open(&path).expect("the file can be opened");
    set(folder.path(), "values.yaml", "v2").done();
    let text = std::io::read_to_string(old).expect("the old file can be read");
    assert_eq!(text, "image:\n  tag: v1 # ours\n");
}

#[test]
fn a_file_that_is_right_is_not_touched() {
    let folder = values();
    let before = fs::metadata(folder.path().join("values.yaml")).expect("the file is there");
    set(folder.path(), "values.yaml", "v1").done();
    let after = fs::metadata(folder.path().join("values.yaml")).expect("the file is there");
    assert_eq!(
        (before.ino(), before.mtime_nsec()),
        (after.ino(), after.mtime_nsec())
    );
}

#[test]
fn a_symbolic_link_is_refused_and_may_be_read() {
    let folder = values();
    let link = folder.path().join("link.yaml");
    symlink("values.yaml", &link).expect("a link can be made");
    let ran = set(folder.path(), "link.yaml", "v2");
    assert_eq!((ran.code, ran.text()), (Some(2), ""));
    assert_eq!(
        ran.stderr,
        "error: -i: link.yaml: it is a symbolic link\nhint: name the file it leads to\n"
    );
    assert!(link.is_symlink());
    let printed = run_in(
        folder.path(),
        &["edit", "helm-values", "link.yaml", "--set=image.tag=v2"],
        b"",
    );
    assert_eq!(printed.done(), "image:\n  tag: v2 # ours\n");
    let text = fs::read_to_string(folder.path().join("values.yaml")).expect("the file is there");
    assert_eq!(text, "image:\n  tag: v1 # ours\n");
}

#[test]
fn only_an_override_file_is_made() {
    let folder = values();
    let name = ".argocd-source-shop.yaml";
    let arguments = ["edit", "argocd-source", name, "-i", "--helm=image.tag=1.20"];
    run_in(folder.path(), &arguments, b"").done();
    let path = folder.path().join(name);
    let text = fs::read_to_string(&path).expect("the file was made");
    assert_eq!(
        text,
        "helm:\n  parameters:\n  - name: image.tag\n    value: \"1.20\"\n    forceString: true\n"
    );
    assert_eq!(names(folder.path()), [name, "values.yaml"]);
    let by_others = folder.path().join("by-others");
    fs::write(&by_others, "").expect("the folder can be written");
    let mode = |path: &Path| fs::metadata(path).expect("the file is there").mode();
    assert_eq!(
        mode(&path),
        mode(&by_others),
        "as other programs make files"
    );

    let ran = set(folder.path(), "missing.yaml", "v2");
    assert_eq!(ran.code, Some(2));
    assert_eq!(names(folder.path()), [name, "by-others", "values.yaml"]);
}

#[test]
fn a_folder_that_is_not_there_is_a_failure() {
    let folder = values();
    let arguments = ["edit", "argocd-source", "none/x.yaml", "-i", "--helm=a=1"];
    let ran = run_in(folder.path(), &arguments, b"");
    assert_eq!((ran.code, ran.text()), (Some(1), ""), "{ran:?}");
    let error = "error: none/x.yaml: could not be replaced, and is as it was: ";
    assert!(ran.stderr.starts_with(error), "{ran:?}");
    assert!(
        ran.stderr
            .ends_with("\nhint: check who may write into its folder\n"),
        "{ran:?}"
    );
}
