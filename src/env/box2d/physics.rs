//! A robot of jointed bodies over a fixed ground, stepped as Box2D steps its worlds.

use rapier2d::parry::bounding_volume::{Aabb, BoundingVolume};
use rapier2d::prelude::Vector;
use serde::{Deserialize, Serialize};

use super::body::{Body, Motion, Place, Polygon};
use super::contact::{Manifold, Pieces, Pose, SKIN_M, meet};
use super::impact::time_of_impact;
use super::joint::{Joint, Prepared};
use super::pressure::{FIRM, GENTLE, Pressure, push_out};

/// Duration of a physics step, s.
pub(super) const STEP_SECS: f32 = 1.0 / 50.0;
/// Steps from one picture to the next: the action repeat of the tasks.
pub(super) const STEPS_A_PICTURE: u32 = 2;
/// Downward acceleration, m/s².
pub(super) const GRAVITY: f32 = 10.0;

const VELOCITY_SWEEPS: usize = 180;
const POSITION_SWEEPS: usize = 60;
const IMPACT_POSITION_SWEEPS: usize = 20;
/// Sweeps over velocities end early once none changes by more, m/s and rad/s: that is rounding, as far as means tell.
const STILL: f32 = 1e-6;

/// Most bodies of a robot.
const MAX_BODIES: usize = 5;
/// Most contacts of a robot that touch at once.
const MAX_TOUCHING: usize = 24;
/// Most impacts of one contact in a step.
const MAX_IMPACTS: u8 = 8;

/// How far beyond its bounds a body may move before the ground around it is looked up anew, m.
const ROAM_M: f32 = 0.1;
/// The same in its direction, in steps.
const ROAM_STEPS: f32 = 2.0;

/// Below this speed, m/s, and spin, rad/s, a body is calm.
const CALM: (f32, f32) = (0.01, 2.0 / 180.0 * std::f32::consts::PI);
/// Calm steps after which everything falls asleep.
const CALM_STEPS: u8 = 25;

/// A robot, and what it touches.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Physics {
    /// Whether gravity is switched off.
    weightless: bool,
    /// Whether sweeps over velocities never end early, so that every bit is as in Box2D.
    all_sweeps: bool,
    bodies: Vec<Body>,
    joints: Vec<Joint>,
    /// Bodies and joints in the order in which they are solved.
    body_order: Vec<usize>,
    joint_order: Vec<usize>,
    /// Bodies near pieces of ground, oldest first.
    contacts: Vec<Contact>,
    calm_steps: u8,
}

/// A body near a piece of ground.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Contact {
    body: usize,
    piece: u16,
    /// Whether the body comes before the piece.
    body_first: bool,
    manifold: Manifold,
    /// Impacts in this step, and whether the last look found it not touching.
    impacts: u8,
    missed: bool,
    /// Part of this step that the fixed body of the piece has behind it, because something met it.
    spent: f32,
    /// Part of this step after which the body meets the piece, 1 if it does not, as far as it is known.
    meets_at: Option<f32>,
}

impl Physics {
    /// A new robot, whose joints hang each body but the first on an earlier one, over a new ground.
    pub(super) fn restart(&mut self, bodies: &[Body], joints: &[Joint], ground: &impl Pieces) {
        assert!(bodies.len() <= MAX_BODIES && joints.len() + 1 == bodies.len(), "a tree of few bodies");
        self.bodies.clear();
        self.bodies.extend_from_slice(bodies);
        self.joints.clear();
        self.joints.extend_from_slice(joints);
        self.order();
        self.calm_steps = 0;
        self.contacts.clear();
        // Sized here, so that steps do not allocate.
        self.contacts.reserve(4 * MAX_TOUCHING);
        for body in 0..bodies.len() {
            self.roam_over(body, self.bodies[body].outline().bounds(), Vector::ZERO, ground);
        }
    }

    /// The order in which Box2D solves: it starts from the newest body and walks along the newest joints.
    fn order(&mut self) {
        self.body_order.clear();
        self.joint_order.clear();
        let (mut open, mut count) = ([self.bodies.len() - 1; MAX_BODIES], 1);
        while count > 0 {
            count -= 1;
            let body = open[count];
            self.body_order.push(body);
            for (i, joint) in self.joints.iter().enumerate().rev() {
                if (joint.a == body || joint.b == body) && !self.joint_order.contains(&i) {
                    self.joint_order.push(i);
                    open[count] = if joint.a == body { joint.b } else { joint.a };
                    count += 1;
                }
            }
        }
    }

    /// The bodies.
    pub(super) fn bodies(&self) -> &[Body] {
        &self.bodies
    }

    /// One of the bodies.
    pub(super) fn body(&self, body: usize) -> &Body {
        &self.bodies[body]
    }

    /// Angle of a joint, rad.
    pub(super) fn joint_angle(&self, joint: usize) -> f32 {
        self.joints[joint].angle(&self.bodies)
    }

    /// Speed of a joint, rad/s.
    pub(super) fn joint_speed(&self, joint: usize) -> f32 {
        self.joints[joint].speed(&self.bodies)
    }

    /// Sets the speed, rad/s, and largest torque, N m, of a joint's motor. Wakes the robot.
    pub(super) fn drive(&mut self, joint: usize, speed: f32, torque: f32) {
        (self.joints[joint].motor_speed, self.joints[joint].motor_torque) = (speed, torque);
        self.wake();
    }

    /// Gives a body an impulse, N s, at a place. Wakes the robot.
    pub(super) fn push(&mut self, body: usize, impulse: Vector, at: Vector) {
        let Body { inverse, place, motion, .. } = &mut self.bodies[body];
        motion.push(inverse, impulse, at - place.center);
        self.wake();
    }

    /// Whether everything rests and nothing is computed until something wakes it.
    pub(super) fn asleep(&self) -> bool {
        self.calm_steps >= CALM_STEPS
    }

    fn wake(&mut self) {
        if self.asleep() {
            self.calm_steps = 0;
        }
    }

    /// One step of [`STEP_SECS`] over the ground.
    pub(super) fn step(&mut self, ground: &impl Pieces) {
        if self.asleep() {
            return;
        }
        self.look(ground);
        let mut starts = [Place::default(); MAX_BODIES];
        starts.iter_mut().zip(&self.bodies).for_each(|(start, body)| *start = body.place);
        let settled = self.solve(ground);
        for (body, start) in starts.iter().enumerate().take(self.bodies.len()) {
            self.moved(body, start, ground);
        }
        self.rest(settled);
        if self.asleep() {
            return;
        }
        self.stop_at_impacts(starts, ground);
    }

    /// Finds what touches before a step; forgets ground that is far.
    fn look(&mut self, ground: &impl Pieces) {
        let mut poses = [Pose::default(); MAX_BODIES];
        poses.iter_mut().zip(&self.bodies).for_each(|(pose, body)| *pose = Pose::of(body));
        let Self { bodies, contacts, .. } = self;
        for contact in contacts.iter_mut().rev() {
            let body = &mut bodies[contact.body];
            let shape = ground.piece(contact.piece);
            let near = shape.bounds().loosened(ROAM_M).intersects(&body.roams);
            let manifold =
                if near { meet(body, &poses[contact.body], &shape, contact.body_first) } else { Manifold::default() };
            contact.update(manifold, body);
            contact.missed = !near;
        }
        contacts.retain(|contact| !contact.missed);
    }

    /// Finds new velocities and places for a step; whether all places fit together.
    fn solve(&mut self, ground: &impl Pieces) -> bool {
        let Self { bodies, joints, contacts, body_order, joint_order, .. } = self;
        let mut motions = [Motion::default(); MAX_BODIES];
        for (motion, body) in motions.iter_mut().zip(bodies.iter()) {
            *motion = body.motion;
            motion.velocity.y -= if self.weightless { 0.0 } else { STEP_SECS * GRAVITY };
        }
        // Contacts of one body after the other, newest first.
        let (mut touching, mut count) = ([0; MAX_TOUCHING], 0);
        for &body in body_order.iter() {
            let of_body = contacts.iter().enumerate().rev().filter(|(_, it)| it.body == body && it.manifold.touches());
            for ((i, _), slot) in of_body.zip(&mut touching[count..]) {
                *slot = i;
                count += 1;
            }
        }
        let touching = &touching[..count];
        let mut pressures = [Pressure::default(); MAX_TOUCHING];
        let pressures = &mut pressures[..count];
        for (pressure, &i) in pressures.iter_mut().zip(touching) {
            let body = contacts[i].body;
            *pressure = contacts[i].pressure(&bodies[body], ground);
            pressure.warm(contacts[i].manifold.spots(), &bodies[body].inverse, &mut motions[body]);
        }
        let mut prepared = [Prepared::default(); MAX_BODIES - 1];
        for &joint in joint_order.iter() {
            prepared[joint] = joints[joint].prepare(bodies, &mut motions, STEP_SECS);
        }
        for _ in 0..VELOCITY_SWEEPS {
            let before = motions;
            for &joint in joint_order.iter() {
                joints[joint].solve(&prepared[joint], &mut motions);
            }
            for pressure in pressures.iter_mut() {
                pressure.solve(&bodies[pressure.body].inverse, &mut motions[pressure.body]);
            }
            if !self.all_sweeps && still(&before, &motions) {
                break;
            }
        }
        for (pressure, &i) in pressures.iter().zip(touching) {
            pressure.store(contacts[i].manifold.spots_mut());
        }
        for (body, motion) in bodies.iter_mut().zip(motions) {
            body.motion = motion.capped(STEP_SECS);
            body.place.shift(STEP_SECS * body.motion.velocity, STEP_SECS * body.motion.spin);
        }
        (0..POSITION_SWEEPS).any(|_| {
            let mut fine = true;
            for &i in touching {
                fine &= push_out(&mut bodies[contacts[i].body], &contacts[i].manifold, GENTLE);
            }
            for &joint in joint_order.iter() {
                fine &= joints[joint].correct(bodies);
            }
            fine
        })
    }

    /// Counts calm steps; the last of them ends all motion.
    fn rest(&mut self, settled: bool) {
        let calm = self.bodies.iter().all(|body| {
            let Motion { velocity, spin } = body.motion;
            velocity.length_squared() <= CALM.0 * CALM.0 && spin * spin <= CALM.1 * CALM.1
        });
        let counted = if calm { self.calm_steps + 1 } else { 0 };
        self.calm_steps = if settled { counted } else { counted.min(CALM_STEPS - 1) };
        if self.asleep() {
            self.bodies.iter_mut().for_each(|body| body.motion = Motion::default());
        }
    }

    /// Bodies that would enter the ground within the step stop where they meet it, the first one first, alone, and go on
    /// for the rest.
    fn stop_at_impacts(&mut self, starts: [Place; MAX_BODIES], ground: &impl Pieces) {
        for contact in &mut self.contacts {
            (contact.impacts, contact.missed, contact.spent, contact.meets_at) = (0, false, 0.0, None);
        }
        let mut ways = starts.map(|start| Way { start, spent: 0.0 });
        while let Some((contact, at)) = self.next_impact(&mut ways, ground) {
            let Contact { body, piece, .. } = self.contacts[contact];
            let (way, end) = (ways[body], self.bodies[body].place);
            ways[body].advance(&end, at);
            self.bodies[body].place = ways[body].start;
            self.contacts[contact].impacts += 1;
            self.contacts[contact].meets_at = None;
            if !self.look_again(contact, ground) {
                self.contacts[contact].missed = true;
                self.bodies[body].place = end;
                ways[body] = way;
                continue;
            }
            self.spend(piece, at, ground);
            let (mut touching, mut count) = ([contact; MAX_TOUCHING], 1);
            for other in (0..self.contacts.len()).rev() {
                if other != contact && self.contacts[other].body == body && count < MAX_TOUCHING {
                    self.contacts[other].missed = false;
                    if self.look_again(other, ground) {
                        self.spend(self.contacts[other].piece, at, ground);
                        touching[count] = other;
                        count += 1;
                    }
                }
            }
            ways[body].start = self.go_on(body, &touching[..count], (1.0 - at) * STEP_SECS, ground);
            self.moved(body, &ways[body].start, ground);
            self.contacts.iter_mut().filter(|it| it.body == body).for_each(|it| it.meets_at = None);
        }
    }

    /// Notes that the fixed body of a piece has part of the step behind it.
    fn spend(&mut self, piece: u16, spent: f32, ground: &impl Pieces) {
        let whole = ground.whole(piece);
        self.contacts.iter_mut().filter(|it| ground.whole(it.piece) == whole).for_each(|it| it.spent = spent);
    }

    /// The next contact at which a body meets the ground, and after which part of the step.
    fn next_impact(&mut self, ways: &mut [Way; MAX_BODIES], ground: &impl Pieces) -> Option<(usize, f32)> {
        let mut first = (0, 1.0);
        for i in (0..self.contacts.len()).rev() {
            let contact = &self.contacts[i];
            if contact.missed || contact.impacts > MAX_IMPACTS {
                continue;
            }
            let at = if let Some(at) = contact.meets_at {
                at
            } else {
                let Contact { body, piece, body_first, spent, .. } = *contact;
                let way = &mut ways[body];
                // Both are brought to the same time.
                let end = self.bodies[body].place;
                if way.spent < spent {
                    way.advance(&end, spent);
                } else if spent < way.spent {
                    self.spend(piece, way.spent, ground);
                }
                let part = meeting(&self.bodies[body], way.start, &ground.piece(piece), body_first);
                let at = part.map_or(1.0, |part| (way.spent + (1.0 - way.spent) * part).min(1.0));
                self.contacts[i].meets_at = Some(at);
                at
            };
            if at < first.1 {
                first = (i, at);
            }
        }
        (first.1 <= 1.0 - 10.0 * f32::EPSILON).then_some(first)
    }

    /// Finds anew how a contact's body touches where it is; whether it does.
    fn look_again(&mut self, contact: usize, ground: &impl Pieces) -> bool {
        let contact = &mut self.contacts[contact];
        let body = &mut self.bodies[contact.body];
        let manifold = meet(body, &Pose::of(body), &ground.piece(contact.piece), contact.body_first);
        contact.update(manifold, body);
        contact.manifold.touches()
    }

    /// Pushes a body out of what it met, takes its speed into that, and moves it for `secs`; where it started from.
    fn go_on(&mut self, body: usize, touching: &[usize], secs: f32, ground: &impl Pieces) -> Place {
        let Self { bodies, contacts, .. } = self;
        let body = &mut bodies[body];
        for _ in 0..IMPACT_POSITION_SWEEPS {
            let mut fine = true;
            for &i in touching {
                fine &= push_out(body, &contacts[i].manifold, FIRM);
            }
            if fine {
                break;
            }
        }
        let mut pressures = [Pressure::default(); MAX_TOUCHING];
        let pressures = &mut pressures[..touching.len()];
        for (pressure, &i) in pressures.iter_mut().zip(touching) {
            *pressure = contacts[i].pressure(body, ground);
        }
        let mut motion = body.motion;
        for _ in 0..VELOCITY_SWEEPS {
            let before = motion;
            pressures.iter_mut().for_each(|pressure| pressure.solve(&body.inverse, &mut motion));
            if !self.all_sweeps && still(&[before], &[motion]) {
                break;
            }
        }
        let start = body.place;
        body.motion = motion.capped(secs);
        body.place.shift(secs * body.motion.velocity, secs * body.motion.spin);
        start
    }

    /// Takes in that a body has moved from `start`.
    fn moved(&mut self, body: usize, start: &Place, ground: &impl Pieces) {
        let it = &self.bodies[body];
        let (before, now) = (start.frame(it.center), it.frame());
        let way = it.shape.at(&before).bounds().merged(&it.shape.at(&now).bounds());
        if !it.roams.contains(&way) {
            self.roam_over(body, way, now.origin - before.origin, ground);
        }
    }

    /// Looks up the ground around a body that moved over `way` by `step`.
    fn roam_over(&mut self, body: usize, way: Aabb, step: Vector, ground: &impl Pieces) {
        let mut roams = way.loosened(ROAM_M);
        let ahead = ROAM_STEPS * step;
        roams.mins += ahead.min(Vector::ZERO);
        roams.maxs += ahead.max(Vector::ZERO);
        self.bodies[body].roams = roams;
        let contacts = &mut self.contacts;
        let reach = ROAM_M + SKIN_M;
        ground.near(roams.mins.x - reach, roams.maxs.x + reach, &mut |piece| {
            let near = ground.piece(piece).bounds().loosened(ROAM_M).intersects(&roams);
            if near && !contacts.iter().any(|it| it.body == body && it.piece == piece) {
                let same = contacts.iter().find(|it| ground.whole(it.piece) == ground.whole(piece));
                let spent = same.map_or(0.0, |it| it.spent);
                let body_first = ground.comes_after(piece, body);
                let contact = Contact { body, piece, body_first, spent, ..Contact::default() };
                contacts.push(contact);
            }
        });
    }

    /// Takes gravity away.
    #[cfg(test)]
    pub(super) fn weightless(&mut self) {
        self.weightless = true;
    }

    /// Lets sweeps over velocities never end early.
    #[cfg(test)]
    pub(super) fn sweep_all(&mut self) {
        self.all_sweeps = true;
    }

    /// Puts the first body somewhere at rest, with the joints at these angles.
    #[cfg(test)]
    pub(super) fn place(&mut self, root: Place, angles: &[f32]) {
        self.bodies[0].place = root;
        for (joint, angle) in self.joints.iter().zip(angles) {
            let parent = self.bodies[joint.a].place;
            let mut place = Place { center: Vector::ZERO, angle: parent.angle + joint.reference + angle };
            place.center = parent.center + parent.turned(joint.anchor_a) - place.turned(joint.anchor_b);
            self.bodies[joint.b].place = place;
        }
        self.bodies.iter_mut().for_each(|body| body.motion = Motion::default());
        self.calm_steps = 0;
    }
}

/// What is left of a body's way in a step.
#[derive(Clone, Copy)]
struct Way {
    start: Place,
    /// Part of the step before it.
    spent: f32,
}

impl Way {
    /// Goes along the way to `end` until the given part of the step.
    fn advance(&mut self, end: &Place, spent: f32) {
        self.start = self.start.toward(end, (spent - self.spent) / (1.0 - self.spent));
        self.spent = spent;
    }
}

/// After which part of its way from `start` to where it is a body meets a piece.
fn meeting(body: &Body, start: Place, piece: &Polygon, body_first: bool) -> Option<f32> {
    let (from, to) = (body.shape.at(&start.frame(body.center)).bounds(), body.outline().bounds());
    // Corners leave the box around the two ends by the height of their arcs.
    let turn = body.place.angle - start.angle;
    let way = from.merged(&to).loosened(0.25 * turn * turn);
    let near = piece.bounds().intersects(&way);
    near.then(|| time_of_impact((&body.shape, body.center), start, body.place, piece, body_first)).flatten()
}

impl Contact {
    /// Takes in how the body touches now, and tells the body of a begin or an end.
    fn update(&mut self, mut manifold: Manifold, body: &mut Body) {
        manifold.inherit(&self.manifold);
        match (self.manifold.touches(), manifold.touches()) {
            (false, true) => (body.contact, body.touched) = (true, true),
            (true, false) => body.contact = false,
            _ => {}
        }
        self.manifold = manifold;
    }

    fn pressure(&self, body: &Body, ground: &impl Pieces) -> Pressure {
        let friction = (body.friction * ground.friction(self.piece)).sqrt();
        Pressure::new(self.body, body, &self.manifold, friction)
    }
}

/// Whether no body's velocity changed but for rounding.
fn still(before: &[Motion], after: &[Motion]) -> bool {
    before.iter().zip(after).all(|(before, after)| {
        let change = (after.velocity - before.velocity).abs();
        change.x <= STILL && change.y <= STILL && (after.spin - before.spin).abs() <= STILL
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::box2d::body::{Polygon, box_outline};

    /// No ground at all.
    struct Void;

    impl Pieces for Void {
        fn near(&self, _: f32, _: f32, _: &mut dyn FnMut(u16)) {}

        fn piece(&self, _: u16) -> Polygon {
            unreachable!("there are no pieces")
        }

        fn friction(&self, _: u16) -> f32 {
            0.0
        }

        fn whole(&self, piece: u16) -> u16 {
            piece
        }

        fn comes_after(&self, _: u16, _: usize) -> bool {
            false
        }
    }

    fn robot(hinges: &[(usize, usize)]) -> Physics {
        let body = Body::new(&box_outline([0.1, 0.5]), 1.0, 0.0, Vector::ZERO, 0.0);
        let joints: Vec<Joint> = hinges.iter().map(|&(a, b)| Joint { a, b, ..Joint::default() }).collect();
        let mut physics = Physics::default();
        physics.restart(&vec![body; hinges.len() + 1], &joints, &Void);
        physics
    }

    #[test]
    fn joints_are_solved_from_the_newest_body_on() {
        let walker = robot(&[(0, 1), (1, 2), (0, 3), (3, 4)]);
        assert_eq!((walker.body_order, walker.joint_order), (vec![4, 3, 0, 1, 2], vec![3, 2, 0, 1]));
        let lander = robot(&[(0, 1), (0, 2)]);
        assert_eq!((lander.body_order, lander.joint_order), (vec![2, 0, 1], vec![1, 0]));
    }

    #[test]
    fn a_robot_without_ground_falls_freely() {
        let mut physics = robot(&[(0, 1), (1, 2)]);
        (0..50).for_each(|_| physics.step(&Void));
        let mean = physics.bodies().iter().map(|body| body.motion.velocity.y / 3.0).sum::<f32>();
        assert!((mean + GRAVITY).abs() < 1e-3, "{mean} m/s after a second");
    }
}
