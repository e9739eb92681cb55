//! A robot of jointed bodies over a fixed ground: one rapier world.
//!
//! The robot is one multibody (reduced coordinates), which holds its joints exactly. The origin of its root is its center
//! of mass: rapier moves the root's origin with the velocity of the center of mass.

use rapier2d::na::DVectorViewMut;
use rapier2d::prelude::*;
use serde::{Deserialize, Serialize};

use super::contact::{Pieces, SKINS_M, meet};
use super::impact::{MAX_PIECES, Motion, Moving, between, corners};
use super::joints::{Inverse, Joint, Place, Pressed, settle, turned};
use super::touch::Touch;

/// Duration of a physics step, s.
pub(super) const STEP_SECS: f32 = 1.0 / 50.0;
/// Downward acceleration, m/s².
pub(super) const GRAVITY: f32 = 10.0;

/// Skin of every shape, m, as in Box2D.
const SKIN_M: f32 = SKINS_M / 2.0;
/// How far inside its angle the limit of a joint that is to stop is set, rad: rapier stops joints that are beyond.
const STOP_RAD: f32 = 1e-5;
/// A limit that no joint reaches, rad.
const NO_LIMIT_RAD: f32 = 10.0;
/// Most parts of a robot.
const MAX_PARTS: usize = 5;

/// Contacts begin where skins meet, as in Box2D, not before.
const PREDICTION_M: f32 = 1e-4;
/// Positions are corrected here, not by speeds: a spring that does next to nothing, on an all but rigid contact.
const GROUND_SOFTNESS: SpringCoefficients<f32> = SpringCoefficients { natural_frequency: 16.0, damping_ratio: 1e4 };

/// Makes a motor all but exact: how strongly it counters a wrong speed, 1/s.
const MOTOR_GAIN: f32 = 1e6;
const ROBOT_STAYS: &str = "a world keeps its robot whole";

const GROUND: InteractionGroups = InteractionGroups::new(Group::GROUP_1, Group::ALL, InteractionTestMode::And);
const ROBOT: InteractionGroups = InteractionGroups::new(Group::GROUP_2, Group::GROUP_1, InteractionTestMode::And);

/// One rigid body of a robot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    /// Corners of its convex shape from its center of mass, counter-clockwise, m.
    pub outline: Vec<Vector>,
    /// Mass, kg.
    pub mass: f32,
    /// Inertia about the center of mass, kg m².
    pub inertia: f32,
    /// Friction coefficient; that of a contact is the geometric mean.
    pub friction: f32,
}

/// How a part hangs on an earlier one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hinge {
    /// Which part it hangs on.
    pub parent: usize,
    /// The axis in the parent's frame, m.
    pub parent_anchor: Vector,
    /// The axis in its own frame, m.
    pub anchor: Vector,
    /// Range of the angle between the two, rad.
    pub limits: [f32; 2],
}

/// A world with one robot of `N` parts and, with its three for the root, `N + 2` degrees of freedom.
#[derive(Serialize, Deserialize)]
pub(super) struct Physics {
    world: PhysicsWorld,
    parts: Vec<Part>,
    bodies: Vec<Inverse>,
    /// What each part touches.
    touches: Vec<Touch>,
    ground_friction: f32,
    hinges: Vec<Joint>,
    /// Where Box2D would have the parts: hinges may be a little apart.
    places: Vec<Place>,
    robot: MultibodyIndex,
}

impl Clone for Physics {
    /// The same world. What is not copied is work space that every step writes before it reads.
    fn clone(&self) -> Self {
        let world = &self.world;
        Self {
            world: PhysicsWorld {
                gravity: world.gravity,
                integration_parameters: world.integration_parameters,
                physics_pipeline: PhysicsPipeline::new(),
                collision_pipeline: CollisionPipeline::new(),
                islands: world.islands.clone(),
                broad_phase: world.broad_phase.clone(),
                narrow_phase: world.narrow_phase.clone(),
                bodies: world.bodies.clone(),
                colliders: world.colliders.clone(),
                impulse_joints: world.impulse_joints.clone(),
                multibody_joints: world.multibody_joints.clone(),
                soft_bodies: world.soft_bodies.clone(),
                ccd_solver: world.ccd_solver.clone(),
            },
            robot: self.robot,
            parts: self.parts.clone(),
            bodies: self.bodies.clone(),
            touches: self.touches.clone(),
            ground_friction: self.ground_friction,
            hinges: self.hinges.clone(),
            places: self.places.clone(),
        }
    }
}

impl Physics {
    /// A world whose robot has `root` and `hung` parts, all joint angles 0, no ground yet.
    pub(super) fn new(root: &Part, hung: &[(Part, Hinge)], ground_friction: f32, sweeps: usize) -> Self {
        let mut world = PhysicsWorld::default();
        world.gravity = Vector::new(0.0, -GRAVITY);
        world.broad_phase = BroadPhaseBvh::with_optimization_strategy(BvhOptimizationStrategy::None);
        let settings = &mut world.integration_parameters;
        settings.dt = STEP_SECS;
        settings.num_solver_iterations = 1;
        settings.num_internal_pgs_iterations = sweeps;
        settings.num_internal_stabilization_iterations = 0;
        settings.normalized_prediction_distance = PREDICTION_M;
        settings.static_contact_softness = GROUND_SOFTNESS;
        settings.contact_recycling = false;

        let mut links = vec![add_part(&mut world, root)];
        for (part, hinge) in hung {
            let child = add_part(&mut world, part);
            let joint = RevoluteJointBuilder::new()
                .local_anchor1(hinge.parent_anchor)
                .local_anchor2(hinge.anchor)
                .contacts_enabled(false)
                .limits(hinge.limits)
                .motor_model(MotorModel::AccelerationBased)
                .motor_velocity(0.0, MOTOR_GAIN)
                .motor_max_force(0.0);
            let handle = world.multibody_joints.insert(links[hinge.parent], child, joint, true);
            handle.expect("parts hang on earlier ones");
            links.push(child);
        }
        let robot = world.multibody_joints.rigid_body_link(links[0]).expect("a part hangs on the root").multibody;
        let joints = world.multibody_joints.get_multibody_mut(robot).expect("just made");
        joints.damping_mut().fill(0.0);

        let parts: Vec<Part> = std::iter::once(root).chain(hung.iter().map(|(part, _)| part)).cloned().collect();
        let inverse = |part: &Part| Inverse { mass: 1.0 / part.mass, inertia: 1.0 / part.inertia };
        let hinges = hung.iter().zip(1..).map(|((_, hinge), b)| Joint {
            a: hinge.parent,
            b,
            anchor_a: hinge.parent_anchor,
            anchor_b: hinge.anchor,
            limits: hinge.limits,
        });
        Self {
            world,
            bodies: parts.iter().map(inverse).collect(),
            touches: vec![Touch::default(); parts.len()],
            ground_friction,
            hinges: hinges.collect(),
            places: vec![Place::default(); parts.len()],
            robot,
            parts,
        }
    }

    /// Adds a fixed convex piece of ground, its corners counter-clockwise.
    pub(super) fn add_ground(&mut self, corners: &[Vector]) {
        let shape = SharedShape::convex_polyline(corners.to_vec()).expect("corners of a convex piece");
        let collider = ColliderBuilder::new(shape)
            .friction(self.ground_friction)
            .friction_combine_rule(CoefficientCombineRule::GeometricMean)
            .collision_groups(GROUND)
            .contact_skin(SKIN_M);
        self.world.colliders.insert(collider);
    }

    /// Puts the root's center of mass somewhere, with the hinges at these angles. Everything rests.
    pub(super) fn place(&mut self, root: Place, angles: &[f32]) {
        self.places[0] = root;
        self.write_root();
        self.set_angles(angles);
        self.stop();
        // Computes the mass matrix too, which impulses need before the first step.
        let Self { world, robot, .. } = self;
        world.multibody_joints.get_multibody_mut(*robot).expect(ROBOT_STAYS).dof_inverse_inertia(&world.bodies);
    }

    /// Sets the angles of the hinges; the root stays, and so do velocities.
    pub(super) fn set_angles(&mut self, angles: &[f32]) {
        let Self { world, robot, .. } = self;
        let joints = world.multibody_joints.get_multibody_mut(*robot).expect(ROBOT_STAYS);
        for (link, angle) in joints.links_mut().skip(1).zip(angles) {
            let change = angle - link.joint.coords()[2];
            link.joint.apply_displacement(&[change]);
        }
        self.write_links();
        self.read_places();
    }

    /// Puts the parts somewhere, their hinges not necessarily together; the root is where it is told to be.
    pub(super) fn set_places(&mut self, places: &[Place]) {
        self.places.copy_from_slice(places);
        self.write_places();
    }

    /// One step of [`STEP_SECS`] over the ground.
    pub(super) fn step(&mut self, ground: &impl Pieces) {
        let parts = self.parts.len();
        let mut stopped = [0; MAX_PARTS];
        self.stop_at_limits(&mut stopped);
        let mut pressed = Pressed::default();
        for part in 0..parts {
            self.meet_ground(part, ground, &mut pressed);
        }
        let mut before = [Place::default(); MAX_PARTS];
        before[..parts].copy_from_slice(&self.places);

        self.world.step();
        self.move_straight(&before);
        let mut straight = before;
        straight[..parts].copy_from_slice(&self.places);
        settle(&self.hinges, &stopped[..parts - 1], &self.bodies, pressed.points(), &mut self.places);
        let mut knocks = [None; MAX_PARTS];
        for part in 0..parts {
            knocks[part] = self.stop_at_ground(part, &before[part], &straight[part], ground);
        }
        self.write_places();
        for (part, impulse) in knocks.into_iter().enumerate() {
            if let Some(impulse) = impulse {
                self.push(part, impulse);
            }
        }
    }

    /// Which pieces a part touches before a step, and where they press.
    fn meet_ground(&mut self, part: usize, ground: &impl Pieces, pressed: &mut Pressed) {
        let mut buffer = [Vector::ZERO; 8];
        let place = self.places[part];
        let outline = corners(&self.parts[part].outline, &place, &mut buffer);
        let (mut touched, mut count) = ([0; MAX_PIECES], 0);
        let (min, max) = span(outline);
        ground.near(min - SKINS_M, max + SKINS_M, &mut |piece, shape| {
            if let Some(manifold) = meet(outline, shape)
                && count < MAX_PIECES
            {
                touched[count] = piece;
                count += 1;
                pressed.add(part, &place, &manifold);
            }
        });
        self.touches[part].update(&touched[..count]);
    }

    /// Stops a part that would enter the ground; the impulse on it.
    fn stop_at_ground(
        &mut self,
        part: usize,
        before: &Place,
        straight: &Place,
        ground: &impl Pieces,
    ) -> Option<[f32; 3]> {
        let Part { outline, friction, .. } = &self.parts[part];
        let friction = (friction * self.ground_friction).sqrt();
        let moving = Moving { outline, inverse: self.bodies[part], friction };
        let end = self.places[part];
        let mut buffer = [Vector::ZERO; 8];
        let ends = [before, &end].map(|place| span(corners(outline, place, &mut buffer)));
        let (min, max) = (ends[0].0.min(ends[1].0), ends[0].1.max(ends[1].1));
        let mut first: Option<f32> = None;
        ground.near(min, max, &mut |_, shape| {
            let met = moving.time_of_impact(before, &end, shape);
            first = [first, met].into_iter().flatten().reduce(f32::min);
        });
        let part_of_step = first?;
        let linear = (straight.center - before.center) / STEP_SECS;
        let spin = (straight.angle - before.angle) / STEP_SECS;
        let mut motion = Motion { place: between(before, &end, part_of_step), linear, spin };
        let touch = &mut self.touches[part];
        moving
            .go_on(&mut motion, 1.0 - part_of_step, (min - SKINS_M, max + SKINS_M), ground, |piece| touch.begin(piece));
        self.places[part] = motion.place;
        let Part { mass, inertia, .. } = self.parts[part];
        let impulse = mass * (motion.linear - linear);
        Some([impulse.x, impulse.y, inertia * (motion.spin - spin)])
    }

    /// Takes in what a part touches where it is.
    pub(super) fn notice_contacts(&mut self, part: usize, ground: &impl Pieces) {
        self.meet_ground(part, ground, &mut Pressed::default());
    }

    fn read_places(&mut self) {
        let Self { world, robot, hinges, places, .. } = self;
        let joints = world.multibody_joints.get_multibody(*robot).expect(ROBOT_STAYS);
        for (i, link) in joints.links().enumerate() {
            let parent = if i == 0 { 0.0 } else { places[hinges[i - 1].a].angle };
            let angle = parent + link.joint().coords()[2];
            places[i] = Place { center: link.local_to_world().translation, angle };
        }
    }

    /// Lets the velocity solver stop the joints that are at a limit, and no others, as Box2D does.
    fn stop_at_limits(&mut self, stopped: &mut [i8; MAX_PARTS]) {
        let Self { world, robot, hinges, .. } = self;
        let links = world.multibody_joints.get_multibody_mut(*robot).expect(ROBOT_STAYS).links_mut().skip(1);
        for ((link, hinge), stopped) in links.zip(hinges).zip(stopped) {
            let angle = link.joint.coords()[2];
            *stopped = hinge.stopped(angle);
            let low = if *stopped < 0 { angle + STOP_RAD } else { -NO_LIMIT_RAD };
            let high = if *stopped > 0 { angle - STOP_RAD } else { NO_LIMIT_RAD };
            link.joint.data.set_limits(JointAxis::AngX, [low, high]);
        }
    }

    /// Moves the parts straight ahead from `places`, by what the step moved root and hinges.
    fn move_straight(&mut self, before: &[Place; MAX_PARTS]) {
        let Self { world, robot, hinges, places, .. } = self;
        let mut links = world.multibody_joints.get_multibody(*robot).expect(ROBOT_STAYS).links();
        let root = links.next().expect(ROBOT_STAYS).joint().coords();
        places[0] = Place { center: Vector::new(root[0], root[1]), angle: root[2] };
        for (i, (hinge, link)) in hinges.iter().zip(links).enumerate() {
            let (parent, child) = (hinge.a, i + 1);
            let axis = before[parent].center + turned(hinge.anchor_a, before[parent].angle);
            let parent_turn = places[parent].angle - before[parent].angle;
            let old = before[child].angle - before[parent].angle;
            let turn = parent_turn + link.joint().coords()[2] - old;
            places[child] = Place {
                center: before[child].center + places[parent].center - before[parent].center
                    + parent_turn * (axis - before[parent].center).perp()
                    + turn * (before[child].center - axis).perp(),
                angle: before[child].angle + turn,
            };
        }
    }

    /// Sets root and hinges from the places of the parts.
    fn write_places(&mut self) {
        self.write_root();
        let Self { world, robot, hinges, places, .. } = self;
        let joints = world.multibody_joints.get_multibody_mut(*robot).expect(ROBOT_STAYS);
        for (link, hinge) in joints.links_mut().skip(1).zip(hinges) {
            let change = places[hinge.b].angle - places[hinge.a].angle - link.joint.coords()[2];
            link.joint.apply_displacement(&[change]);
        }
        self.write_links();
    }

    fn write_root(&mut self) {
        let Place { center, angle } = self.places[0];
        let root = &mut self.joints_mut().root_mut().joint;
        let now = root.coords();
        root.apply_displacement(&[center.x - now[0], center.y - now[1], angle - now[2]]);
    }

    fn write_links(&mut self) {
        let Self { world, robot, .. } = self;
        let joints = world.multibody_joints.get_multibody_mut(*robot).expect(ROBOT_STAYS);
        joints.forward_kinematics(&world.bodies, false);
        joints.update_rigid_bodies(&mut world.bodies, true);
    }

    /// Sets the motor of a hinge: its target speed, rad/s, and the largest torque, N m.
    pub(super) fn drive(&mut self, hinge: usize, speed: f32, torque: f32) {
        let joints = self.joints_mut();
        let motor = &mut joints.link_mut(hinge + 1).expect(ROBOT_STAYS).joint.data;
        motor.set_motor_velocity(JointAxis::AngX, speed, MOTOR_GAIN);
        motor.set_motor_max_force(JointAxis::AngX, torque);
    }

    /// Changes velocities at once, as an impulse (x, y, angular about the center of mass) on a part does.
    pub(super) fn push(&mut self, part: usize, impulse: [f32; 3]) {
        let joints = self.joints_mut();
        let mut change = [0.0; MAX_PARTS + 2];
        let change = &mut change[..joints.ndofs()];
        for (change, column) in change.iter_mut().zip(joints.body_jacobian(part).column_iter()) {
            *change = column.iter().zip(impulse).map(|(turn, impulse)| turn * impulse).sum();
        }
        let dofs = change.len();
        joints.inv_augmented_mass().solve_mut(&mut DVectorViewMut::from_slice(change, dofs));
        for (velocity, change) in joints.generalized_velocity_mut().iter_mut().zip(change) {
            *velocity += *change;
        }
    }

    /// Whether Box2D would tell of a part that it is in contact.
    pub(super) fn in_contact(&self, part: usize) -> bool {
        self.touches[part].flag
    }

    /// Corners of a part, m.
    pub(super) fn outline<'a>(&self, part: usize, buffer: &'a mut [Vector; 8]) -> &'a [Vector] {
        corners(&self.parts[part].outline, &self.places[part], buffer)
    }

    /// Sets the velocity of the root (x, y, spin) and the speeds of the hinges.
    pub(super) fn set_velocity(&mut self, velocity: &[f32]) {
        self.joints_mut().generalized_velocity_mut().copy_from_slice(velocity);
    }

    /// Multiplies the root's spin; the hinges keep their speeds.
    pub(super) fn scale_spin(&mut self, factor: f32) {
        self.joints_mut().generalized_velocity_mut()[2] *= factor;
    }

    /// Stops every motion.
    pub(super) fn stop(&mut self) {
        self.joints_mut().generalized_velocity_mut().fill(0.0);
    }

    /// Pose of a part, at its center of mass.
    pub(super) fn pose(&self, part: usize) -> &Pose {
        self.joints().link(part).expect(ROBOT_STAYS).local_to_world()
    }

    /// Angle of the root, rad, counted through whole turns.
    pub(super) fn root_angle(&self) -> f32 {
        self.joints().root().joint().coords()[2]
    }

    /// Velocity of the root's center of mass, m/s, its spin, rad/s, then the speeds of the hinges, rad/s.
    pub(super) fn velocity(&self) -> &[f32] {
        self.joints().generalized_velocity().data.into_slice()
    }

    /// Angle of a hinge, rad.
    pub(super) fn angle(&self, hinge: usize) -> f32 {
        self.joints().link(hinge + 1).expect(ROBOT_STAYS).joint().coords()[2]
    }

    /// Takes gravity away.
    #[cfg(test)]
    pub(super) fn weightless(&mut self) {
        self.world.gravity = Vector::ZERO;
    }

    fn joints(&self) -> &Multibody {
        self.world.multibody_joints.get_multibody(self.robot).expect(ROBOT_STAYS)
    }

    fn joints_mut(&mut self) -> &mut Multibody {
        self.world.multibody_joints.get_multibody_mut(self.robot).expect(ROBOT_STAYS)
    }
}

fn add_part(world: &mut PhysicsWorld, part: &Part) -> RigidBodyHandle {
    let body = world.bodies.insert(RigidBodyBuilder::dynamic().can_sleep(false));
    let shape = SharedShape::convex_polyline(part.outline.clone()).expect("parts are convex");
    let collider = ColliderBuilder::new(shape)
        .mass_properties(MassProperties::new(Vector::ZERO, part.mass, part.inertia))
        .friction(part.friction)
        .friction_combine_rule(CoefficientCombineRule::GeometricMean)
        .collision_groups(ROBOT)
        .contact_skin(SKIN_M);
    world.colliders.insert_with_parent(collider, body, &mut world.bodies);
    body
}

/// Corners of a box from its center, m.
pub(super) fn box_outline([x, y]: [f32; 2]) -> Vec<Vector> {
    [(-x, -y), (x, -y), (x, y), (-x, y)].map(|(x, y)| Vector::new(x, y)).to_vec()
}

/// Least and largest x of some points.
fn span(points: &[Vector]) -> (f32, f32) {
    points.iter().fold((f32::MAX, f32::MIN), |(min, max), p| (min.min(p.x), max.max(p.x)))
}
