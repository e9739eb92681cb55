//! `terrarium rollout frames=DIR`: what an agent with eyes is shown, as PNG files.

use std::path::Path;
use std::process::Command;

/// Exit code and talk of a roll-out of one episode with pictures in `dir`.
fn rollout(task: &str, dir: &Path, gl: Option<&str>) -> (i32, String) {
    let frames = format!("frames={}", dir.display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_terrarium"));
    command.args(["rollout", &format!("task={task}"), "episodes=1", &frames]);
    gl.map(|gl| command.env("MUJOCO_GL", gl));
    let output = command.output().expect("the program starts");
    (output.status.code().expect("it exits"), String::from_utf8(output.stderr).expect("text"))
}

/// The pictures in a folder, in order.
fn pictures(dir: &Path) -> Vec<image::RgbImage> {
    let mut files: Vec<_> =
        std::fs::read_dir(dir).expect("a folder").map(|file| file.expect("a file").path()).collect();
    files.sort();
    let numbered = (0..files.len()).map(|number| dir.join(format!("{number:05}.png")));
    assert!(files.iter().eq(&numbered.collect::<Vec<_>>()), "{files:?}");
    files.iter().map(|file| image::open(file).expect("a picture").to_rgb8()).collect()
}

#[test]
fn every_control_step_of_a_2d_task_is_drawn() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("new/frames");
    let (code, talk) = rollout("pygame-pong", &dir, None);
    assert_eq!(code, 0, "{talk}");
    let pictures = pictures(&dir);
    assert_eq!(pictures.len(), 500, "one a control step");
    assert!(pictures.iter().all(|picture| picture.dimensions() == (224, 224)));
    // The table is white, left paddle and ground are not gray.
    assert_eq!(pictures[0].get_pixel(20, 20).0, [255, 255, 255]);
    assert_eq!(pictures[0].get_pixel(32, 112).0, [255, 140, 0]);
    assert!(pictures[0] != pictures[1] && pictures[498] != pictures[499], "the ball moves");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("the file is written");
    let (code, talk) = rollout("pygame-pong", &file, None);
    assert_eq!((code, talk.lines().count()), (1, 1), "{talk}");
    assert!(talk.contains("a file stands where a directory should be") && talk.contains("file"), "{talk}");
}

#[test]
#[cfg(feature = "mujoco")]
fn mujoco_tasks_are_drawn_where_there_is_a_renderer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (code, talk) = rollout("mujoco-reacher", folder.path(), None);
    if code == 1 && talk.contains("pictures of MuJoCo tasks need") {
        eprintln!("skipped: {talk}");
        return;
    }
    assert_eq!(code, 0, "{talk}");
    let pictures = pictures(folder.path());
    assert_eq!(pictures.len(), 50);
    assert!(pictures[0] != pictures[49], "the arm moves");
    let colors: std::collections::BTreeSet<_> = pictures[0].pixels().map(|pixel| pixel.0).collect();
    assert!(colors.len() > 10, "{colors:?}");
}

#[test]
#[cfg(feature = "mujoco")]
fn pictures_that_cannot_be_drawn_are_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (code, talk) = rollout("pendulum-swingup", folder.path(), Some("none-here"));
    assert_eq!((code, talk.lines().count()), (1, 1), "{talk}");
    assert!(talk.contains("task pendulum-swingup: MUJOCO_GL=none-here is no way to draw"), "{talk}");
}
