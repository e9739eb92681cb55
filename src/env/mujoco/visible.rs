//! What can be seen of an instance: where everything is, and what presses on what.
#![expect(unsafe_code, reason = "MuJoCo is a C library; its arrays are read through pointers")]

use mujoco_rs::mujoco_c::mj_contactForce;

use super::model::array;
use super::physics::Physics;

/// Places (m) and rotations to the world (row by row) of all elements of a kind.
pub(crate) type Frames<'a> = (&'a [[f64; 3]], &'a [[f64; 9]]);

/// What presses on what at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContactForce {
    /// Where, m.
    pub position: [f64; 3],
    /// Out of the first geom, into the second.
    pub normal: [f64; 3],
    /// On the second geom, N.
    pub force: [f64; 3],
}

impl Physics {
    /// Places of bodies' frames, m.
    pub(crate) fn body_positions(&self) -> &[[f64; 3]] {
        let (model, data) = self.raw();
        // SAFETY: MuJoCo's array has this length.
        unsafe { array(data.xpos.cast(), model.nbody) }
    }

    /// Places of geoms, m.
    pub fn geom_positions(&self) -> &[[f64; 3]] {
        self.geom_frames().0
    }

    /// Frames of geoms.
    pub(crate) fn geom_frames(&self) -> Frames<'_> {
        let (model, data) = self.raw();
        // SAFETY: MuJoCo's arrays have this length.
        unsafe { (array(data.geom_xpos.cast(), model.ngeom), array(data.geom_xmat.cast(), model.ngeom)) }
    }

    /// Frames of sites.
    pub(crate) fn site_frames(&self) -> Frames<'_> {
        let (model, data) = self.raw();
        // SAFETY: MuJoCo's arrays have this length.
        unsafe { (array(data.site_xpos.cast(), model.nsite), array(data.site_xmat.cast(), model.nsite)) }
    }

    /// Frames of cameras, which look along their -z.
    pub(crate) fn camera_frames(&self) -> Frames<'_> {
        let (model, data) = self.raw();
        // SAFETY: MuJoCo's arrays have this length.
        unsafe { (array(data.cam_xpos.cast(), model.ncam), array(data.cam_xmat.cast(), model.ncam)) }
    }

    /// Places (m) and directions of lights.
    pub(crate) fn light_rays(&self) -> (&[[f64; 3]], &[[f64; 3]]) {
        let (model, data) = self.raw();
        // SAFETY: MuJoCo's arrays have this length.
        unsafe { (array(data.light_xpos.cast(), model.nlight), array(data.light_xdir.cast(), model.nlight)) }
    }

    /// Anchors (m) and axes of joints.
    pub(crate) fn joint_axes(&self) -> (&[[f64; 3]], &[[f64; 3]]) {
        let (model, data) = self.raw();
        // SAFETY: MuJoCo's arrays have this length.
        unsafe { (array(data.xanchor.cast(), model.njnt), array(data.xaxis.cast(), model.njnt)) }
    }

    /// Sizes of geoms as this instance has them, m.
    pub(crate) fn geom_sizes(&self) -> &[[f64; 3]] {
        let (model, _) = self.raw();
        // SAFETY: MuJoCo's array has this length.
        unsafe { array(model.geom_size.cast(), model.ngeom) }
    }

    /// Sizes of sites as this instance has them, m.
    pub(crate) fn site_sizes(&self) -> &[[f64; 3]] {
        let (model, _) = self.raw();
        // SAFETY: MuJoCo's array has this length.
        unsafe { array(model.site_size.cast(), model.nsite) }
    }

    /// The ends of the piece of a tendon that begins at point `point` of all paths, if there is one now.
    pub(crate) fn tendon_piece(&self, point: usize) -> Option<[[f64; 3]; 2]> {
        let (model, data) = self.raw();
        // SAFETY: MuJoCo's arrays have these lengths: a path has at most two points an object.
        let (starts, counts, objects) = unsafe {
            let objects: &[i32] = array(data.wrap_obj.cast(), 2 * model.nwrap);
            (array(data.ten_wrapadr, model.ntendon), array(data.ten_wrapnum, model.ntendon), objects)
        };
        // SAFETY: the same.
        let points: &[[f64; 3]] = unsafe { array(data.wrap_xpos.cast(), 2 * model.nwrap) };
        /// Between the pulley's branches there is no string.
        const PULLEY: i32 = -2;
        let within = |(&start, &count): (&i32, &i32)| (start as usize..(start + count) as usize - 1).contains(&point);
        let tendons = starts.iter().zip(counts).filter(|(_, count)| **count > 1);
        let is_string = tendons.into_iter().any(within) && objects[point] != PULLEY && objects[point + 1] != PULLEY;
        is_string.then(|| [points[point], points[point + 1]])
    }

    /// What presses on what in the present state and under the present controls. Found on a copy: this instance stays as
    /// it is.
    pub fn contact_forces(&self) -> Vec<ContactForce> {
        let mut solved = self.clone();
        solved.solve();
        let (model, data) = solved.raw();
        // SAFETY: MuJoCo's array has this length.
        let contacts = unsafe { array(data.contact, i64::from(data.ncon)) };
        let force = |number: usize| {
            let mut force = [0.0; 6];
            // SAFETY: the data belongs to the model and was just solved; the contact is one of its own.
            unsafe { mj_contactForce(model, data, number as i32, &mut force) };
            force
        };
        contacts
            .iter()
            .enumerate()
            .map(|(number, contact)| {
                let axes = contact.frame.as_chunks::<3>().0;
                let along = force(number);
                let world = |k: usize| (0..3).map(|axis| axes[axis][k] * along[axis]).sum();
                ContactForce { position: contact.pos, normal: axes[0], force: [world(0), world(1), world(2)] }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::mujoco::Model;

    #[test]
    fn a_box_at_rest_is_carried_by_its_contacts() {
        let xml = r#"<mujoco><worldbody>
            <geom type="plane" size="2 2 1"/>
            <body pos="0 0 .1"><freejoint/><geom type="box" size=".1 .2 .1" mass="3"/></body>
        </worldbody></mujoco>"#;
        let model = Model::from_xml("box", xml).expect("a valid model");
        let mut physics = Physics::new(&model);
        physics.reset();
        for _ in 0..500 {
            physics.step(1);
        }
        let before = physics.qpos().to_vec();
        let contacts = physics.contact_forces();
        assert_eq!(contacts.len(), 4, "one at each corner: {contacts:?}");
        let weight: f64 = contacts.iter().map(|contact| contact.force[2]).sum();
        assert!((weight - 3.0 * 9.81).abs() < 0.1, "{weight} N carry 3 kg");
        assert!(contacts.iter().all(|contact| contact.normal[2] > 0.999 && contact.position[2].abs() < 1e-2));
        assert_eq!(physics.qpos(), before, "nothing moves by being looked at");
    }

    #[test]
    fn a_tendon_is_seen_between_its_sites() {
        let xml = r#"<mujoco><worldbody>
            <site name="hook" pos="0 0 2"/>
            <body pos="0 0 1"><joint type="slide" axis="0 0 1"/><geom size=".1" mass="1"/><site name="weight"/></body>
        </worldbody>
        <tendon><spatial><site site="hook"/><site site="weight"/></spatial></tendon></mujoco>"#;
        let model = Model::from_xml("string", xml).expect("a valid model");
        let mut physics = Physics::new(&model);
        physics.reset();
        assert_eq!(physics.tendon_piece(0), Some([[0.0, 0.0, 2.0], [0.0, 0.0, 1.0]]));
        assert_eq!((1..4).find_map(|point| physics.tendon_piece(point)), None, "two sites make one piece");
    }
}
