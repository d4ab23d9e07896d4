use std::collections::BTreeMap;

use whim_service::program::write_ready_file;

#[test]
fn a_ready_file_replaces_an_older_one_and_leaves_nothing_else_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ready.json");
    std::fs::write(&path, "older").unwrap();

    write_ready_file(&path, &BTreeMap::from([("api", "http://127.0.0.1:1234")])).unwrap();

    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        r#"{"api":"http://127.0.0.1:1234"}"#
    );
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}
