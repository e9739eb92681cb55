//! 3D scenes of MuJoCo instances without drawing them: their parts, where they go, the ghost, the cameras.
#![cfg(all(feature = "view", feature = "mujoco"))]

use std::thread;
use std::time::{Duration, Instant};

use bevy::app::TaskPoolPlugin;
use bevy::asset::AssetPlugin;
use bevy::gizmos::GizmoPlugin;
use bevy::mesh::skinning::SkinnedMeshInverseBindposes;
use bevy::prelude::*;
use bevy::time::{TimePlugin, TimeUpdateStrategy};
use bevy::transform::TransformPlugin;
use terrarium::env::physics_of;
use terrarium::sim::{ACTION_DIM, Seed};
use terrarium::task::Registry;
use terrarium::train::messages::{EncodeReply, OpenLoopPlan, PlanReply, PlannerAnswer, PlannerHandle, PlannerQuestion};
use terrarium::view::{
    Agent, Clock, Ghost, GhostPart, Instances, Pace, Part, Scene, ScenePlugin, ShowGhost, ShowInside, Viewpoint,
    WorldPlugin, add_instances,
};

/// One instance of a task, paused, on show.
fn app(task: &str, planner: Option<PlannerHandle>) -> App {
    let task = Registry::builtin().expect("tables parse").task(task).expect("known").clone();
    let agent = planner.map(|planner| Agent { planner, name: "test".to_owned(), task_numbers: vec![0] });
    let planned = agent.is_some();
    let mut app = App::new();
    app.add_plugins((TaskPoolPlugin::default(), TimePlugin, TransformPlugin, AssetPlugin::default()))
        .init_asset::<Mesh>()
        .init_asset::<Image>()
        .init_asset::<SkinnedMeshInverseBindposes>()
        .init_asset::<StandardMaterial>()
        .add_plugins((GizmoPlugin, ScenePlugin, WorldPlugin { agent, clock: Clock::new(true, 1.0) }))
        .insert_resource(TimeUpdateStrategy::ManualDuration(Duration::from_secs_f64(1.0 / 60.0)));
    add_instances(&mut app, vec![task], &[0], Seed::new(3), planned).expect("the task is hosted: run ./x setup");
    app.finish();
    app.cleanup();
    app.update();
    let instance = instance(&app);
    app.world_mut().get_mut::<Viewpoint>(instance).expect("it has a scene").size = UVec2::new(320, 240);
    app.update();
    app
}

fn instance(app: &App) -> Entity {
    app.world().resource::<Instances>().0[0]
}

fn update_until(app: &mut App, mut done: impl FnMut(&mut App) -> bool) {
    let start = Instant::now();
    while !done(app) {
        assert!(start.elapsed() < Duration::from_secs(20), "nothing happened for twenty seconds");
        app.update();
        thread::sleep(Duration::from_millis(1));
    }
}

fn step(app: &mut App) {
    let steps = |app: &App| app.world().get::<Pace>(instance(app)).expect("a pace").steps;
    let before = steps(app);
    app.world_mut().resource_mut::<Clock>().single_step();
    update_until(app, |app| steps(app) > before);
}

/// Number, pose and visibility of each geom's part: of the instance, or of its ghost.
fn geoms(app: &mut App, ghost: bool) -> Vec<(usize, Transform, Visibility)> {
    let mut parts = app.world_mut().query::<(&Part, &Transform, &Visibility, Has<GhostPart>)>();
    let mut found: Vec<_> = parts
        .iter(app.world())
        .filter(|(.., of_ghost)| *of_ghost == ghost)
        .filter_map(|(part, pose, visibility, _)| match part {
            Part::Geom(geom) => Some((*geom, *pose, *visibility)),
            _ => None,
        })
        .collect();
    found.sort_by_key(|(geom, ..)| *geom);
    found
}

/// Where MuJoCo says that the geoms of an entity are.
fn simulated(app: &App, entity: Entity) -> Vec<Vec3> {
    let physics = physics_of(app.world(), entity).expect("MuJoCo simulates it");
    physics.geom_positions().iter().map(|place| Vec3::from(place.map(|x| x as f32))).collect()
}

/// A planner thread that executes nothing and plans full pushes.
fn planner() -> PlannerHandle {
    let (questions, asked) = crossbeam_channel::unbounded();
    let (answer, answers) = crossbeam_channel::unbounded();
    thread::spawn(move || {
        for question in asked {
            let reply = match question {
                PlannerQuestion::Plan(request) => {
                    let plan = || OpenLoopPlan {
                        actions: vec![[1.0; ACTION_DIM]; request.horizon],
                        rewards: vec![0.0; request.horizon],
                        values: vec![0.0; request.horizon + 1],
                        latents: vec![vec![0.0]; request.horizon + 1],
                        spread: vec![[0.0; ACTION_DIM]; request.horizon],
                    };
                    PlannerAnswer::Plan(PlanReply {
                        ticket: request.ticket,
                        actions: vec![[0.0; ACTION_DIM]; request.rows.len()],
                        open_loop: request.rows.iter().map(|row| row.open_loop.then(plan)).collect(),
                        seconds: 0.0,
                    })
                }
                PlannerQuestion::Encode(request) => {
                    let latents = vec![vec![0.0]; request.rows.len()];
                    PlannerAnswer::Encode(EncodeReply { ticket: request.ticket, latents })
                }
            };
            if answer.send(reply).is_err() {
                break;
            }
        }
    });
    PlannerHandle { questions, answers }
}

#[test]
fn a_scene_has_a_mesh_for_each_visible_geom_and_follows_the_simulation() {
    let mut app = app("walker-walk", None);
    let instance = instance(&app);
    let first = geoms(&mut app, false);
    let numbers: Vec<usize> = first.iter().map(|(geom, ..)| *geom).collect();
    assert_eq!(numbers, (0..simulated(&app, instance).len()).collect::<Vec<_>>(), "the walker hides no geom");
    assert!(geoms(&mut app, true).iter().all(|(.., seen)| *seen == Visibility::Hidden), "no plan, no ghost");
    let meshes = app.world_mut().query_filtered::<(), (With<Part>, With<Mesh3d>)>().iter(app.world()).count();
    assert!(meshes >= first.len());

    for _ in 0..20 {
        step(&mut app);
    }
    app.update();
    let (now, wanted) = (geoms(&mut app, false), simulated(&app, instance));
    for ((geom, pose, _), (_, before, _)) in now.iter().zip(&first).skip(1) {
        assert!(pose.translation.distance(wanted[*geom]) < 1e-5, "geom {geom} is not where MuJoCo has it");
        assert!(pose.translation != before.translation, "geom {geom} has not moved");
    }
}

#[test]
fn the_root_turns_up_into_up() {
    let mut app = app("cartpole-balance", None);
    let scene = app.world().get::<Scene>(instance(&app)).expect("a scene");
    let root = *app.world().get::<Transform>(scene.root).expect("a root");
    assert!((root.transform_point(Vec3::Z) - Vec3::Y).length() < 1e-6);
    assert!((root.transform_point(Vec3::X) - Vec3::X).length() < 1e-6);
    let camera = scene.camera;
    let free = *app.world().get::<Transform>(camera).expect("a camera");
    assert!(free.up().z > 0.5, "the free camera holds z up");

    // The model's own cameras, one after the other.
    let instance = instance(&app);
    let cameras = app.world().get::<Viewpoint>(instance).expect("a view").cameras.clone();
    assert_eq!(cameras, ["fixed", "lookatcart"]);
    app.world_mut().get_mut::<Viewpoint>(instance).expect("a view").next_camera();
    app.update();
    let fixed = *app.world().get::<Transform>(camera).expect("a camera");
    assert!((fixed.translation - Vec3::new(0.0, -4.0, 1.0)).length() < 1e-5, "{fixed:?}");
    assert!(fixed.forward().y > 0.999);
}

#[test]
fn the_horizon_is_in_the_first_picture_and_an_arena_is_seen_from_near_what_moves_in_it() {
    let view = |task: &str| {
        let app = app(task, None);
        let instance = instance(&app);
        let reach = simulated(&app, instance)[1..].iter().map(|place| place.truncate().length()).fold(0.0, f32::max);
        (app.world().get::<Viewpoint>(instance).expect("a view").home, reach)
    };
    for task in ["quadruped-run", "walker-walk", "giraffe-run", "cup-catch", "mujoco-ant"] {
        let (home, _) = view(task);
        let half_height = std::f32::consts::FRAC_PI_8;
        assert!((-half_height..-0.1).contains(&home.elevation_rad), "{task}: {home:?}");
    }
    let (maze, reach) = view("og-ant-maze");
    assert!(maze.distance < reach, "{maze:?} in a maze that reaches {reach} m");
    assert!(maze.elevation_rad < -0.6, "one looks over the walls: {maze:?}");
}

#[test]
fn the_ghost_shows_the_plan_and_can_be_hidden() {
    let mut app = app("cartpole-balance", Some(planner()));
    let all_hidden = |app: &mut App| geoms(app, true).iter().all(|(.., seen)| *seen == Visibility::Hidden);
    let ghost = |app: &mut App| {
        let mut ghosts = app.world_mut().query::<(Entity, &Ghost)>();
        ghosts.iter(app.world()).next().map(|(entity, ghost)| (entity, ghost.steps))
    };
    update_until(&mut app, |app| ghost(app).is_some());
    for _ in 0..10 {
        step(&mut app);
    }
    app.update();
    let (entity, steps) = ghost(&mut app).expect("a ghost");
    assert_eq!(steps, 10);
    let (copies, wanted, real) = (geoms(&mut app, true), simulated(&app, entity), simulated(&app, instance(&app)));
    assert!(copies.len() >= 2, "cart and pole move, so they have copies: {copies:?}");
    for (geom, pose, seen) in &copies {
        assert_eq!(*seen, Visibility::Inherited);
        assert!(pose.translation.distance(wanted[*geom]) < 1e-5, "geom {geom} leaves the plan");
        assert!(wanted[*geom].distance(real[*geom]) > 1e-3, "the plan differs from what was done");
    }

    app.world_mut().resource_mut::<ShowGhost>().0 = false;
    app.update();
    assert!(all_hidden(&mut app));
}

#[test]
fn looking_changes_nothing_in_the_simulation() {
    let trajectory = |look: bool| {
        let mut app = app("walker-walk", None);
        *app.world_mut().resource_mut::<ShowInside>() = ShowInside { contacts: look, joints: look };
        (0..40)
            .map(|_| {
                step(&mut app);
                if look {
                    app.update();
                }
                simulated(&app, instance(&app))
            })
            .collect::<Vec<_>>()
    };
    assert!(trajectory(true) == trajectory(false));
}
