//! A machine that cannot draw MuJoCo's tasks runs them all the same, and says what is missing when pictures are asked for.
#![cfg(feature = "mujoco")]

use std::process::{Command, Output};

fn terrarium(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_terrarium"));
    // A name that no library answers to.
    command.args(arguments).env("MUJOCO_GL", "none-here").output().expect("the program starts")
}

#[test]
fn states_need_no_graphics_library() {
    let output = terrarium(&["rollout", "task=pendulum-swingup", "episodes=1", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("return_mean"));
}

#[test]
fn pictures_that_cannot_be_drawn_are_an_error_with_a_way_out() {
    let output = terrarium(&["bench", "env", "task=pendulum-swingup", "seconds=0.01", "--json"]);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{talk}");
    assert!(talk.contains("pendulum-swingup: MUJOCO_GL=none-here") && talk.contains("MUJOCO_GL=osmesa"), "{talk}");
    let speeds: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let speed = &speeds["tasks"]["pendulum-swingup"];
    assert!(speed["rgb_one_core"].is_null() && speed["one_core"].as_f64() > Some(0.0), "{speed}");
}
