//! An instance's own changes, copies and saved states.

use std::sync::Arc;

use super::model::{Loss, Model};
use super::physics::{Field, Physics};

const BALL: &str = "<mujoco><worldbody>
    <geom name='target' pos='0 0 1' size='.1'/>
    <body><joint name='slide' type='slide' axis='1 0 0'/><geom size='.1'/></body>
</worldbody><actuator><motor joint='slide' ctrllimited='true' ctrlrange='-3 1'/></actuator></mujoco>";

fn ball() -> (Arc<Model>, Physics) {
    let model = Model::from_xml("ball", BALL).expect("a sound model");
    let mut physics = Physics::new(&model);
    physics.reset();
    (model, physics)
}

#[test]
fn a_change_of_the_model_is_one_instance_s_own() {
    let (model, mut changed) = ball();
    let mut other = Physics::new(&model);
    let target = model.geom("target").expect("it is there");
    changed.set_field(Field::GeomPos, target.index(), &[5.0, 6.0, 7.0]);
    let copy = changed.clone();
    changed.set_field(Field::GeomPos, target.index(), &[2.0, 3.0, 4.0]);
    changed.reset();
    other.reset();
    assert_eq!(changed.geom_position(target), [2.0, 3.0, 4.0]);
    assert_eq!(other.geom_position(target), [0.0, 0.0, 1.0]);
    assert_eq!(copy.field(Field::GeomPos, target.index()), [5.0, 6.0, 7.0]);
    assert_eq!(changed.field::<3>(Field::GeomSize, target.index()), other.field(Field::GeomSize, target.index()));
    for (element, values) in [(9, &[0.0; 3][..]), (0, &[0.0; 2][..])] {
        assert!(changed.try_set_field(Field::GeomPos, element, values).is_err());
    }
}

#[test]
fn a_saved_instance_keeps_its_changes_and_its_course() {
    let (model, mut physics) = ball();
    let target = model.geom("target").expect("it is there");
    physics.set_field(Field::GeomPos, target.index(), &[2.0, 3.0, 4.0]);
    physics.set_action(&[0.5]);
    physics.step(3);
    let text = serde_json::to_string(&physics).expect("it can be saved");
    let mut restored: Physics = serde_json::from_str(&text).expect("it can be read");
    restored.revive(&model).expect("it is a state of this model");
    for instance in [&mut physics, &mut restored] {
        instance.step(5);
    }
    assert_eq!((physics.qpos(), physics.qvel()), (restored.qpos(), restored.qvel()));
    assert_eq!(restored.geom_position(target), [2.0, 3.0, 4.0]);

    let narrow = text.replacen("\"sensors\":[]", "\"sensors\":[1.0]", 1);
    let mut misfit: Physics = serde_json::from_str(&narrow).expect("the form is right");
    assert!(misfit.revive(&model).expect_err("too many numbers").contains("numbers"));
}

#[test]
fn actions_span_each_actuator_s_range() {
    let (_, mut physics) = ball();
    for (action, control) in [(-1.0, -3.0), (0.0, -1.0), (1.0, 1.0)] {
        physics.set_action(&[action]);
        assert_eq!(physics.ctrl(), [control]);
    }
}

#[test]
fn dropped_contacts_are_told_and_do_not_end_the_episode() {
    // Forty balls in one place, and memory for few of their contacts.
    let balls = "<body><freejoint/><geom size='.1'/></body>".repeat(40);
    let text = format!("<mujoco><size memory='300K'/><worldbody>{balls}</worldbody></mujoco>");
    let mut physics = Physics::new(&Model::from_xml("crowd", &text).expect("a sound model"));
    physics.step(1);
    assert_eq!(physics.losses().collect::<Vec<_>>(), [Loss::Contacts, Loss::Constraints]);
    assert_eq!(physics.divergence(), None);
    let (_, sound) = ball();
    assert_eq!(sound.losses().count(), 0);
}
