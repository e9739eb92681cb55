//! How an instance with a 3D scene is looked at: by a camera of its model, or by a free one that orbits a point.

use std::f32::consts::FRAC_PI_2;

use bevy::prelude::*;

/// Farthest that the free camera tilts, so that up stays up, rad.
const STEEPEST_RAD: f32 = FRAC_PI_2 - 0.02;
/// Vertical field of view of the free camera, rad.
pub(super) const FREE_FOV_RAD: f32 = std::f32::consts::FRAC_PI_4;

/// The view of an instance that has a 3D scene.
#[derive(Component, Clone, Debug, PartialEq)]
pub struct Viewpoint {
    /// Names of the model's cameras.
    pub cameras: Vec<String>,
    /// The chosen one of them; without one the free camera looks.
    pub camera: Option<usize>,
    /// Where the free camera is.
    pub orbit: Orbit,
    /// Where it starts.
    pub home: Orbit,
    /// Size of the picture, px; zero while the instance is not on show.
    pub size: UVec2,
}

impl Viewpoint {
    /// What the chosen camera is called.
    pub fn name(&self) -> &str {
        self.camera.map_or("free", |camera| &self.cameras[camera])
    }

    /// Back to the start of the free camera.
    pub fn reset(&mut self) {
        (self.camera, self.orbit) = (None, self.home);
    }

    /// The next camera in turn, the free one among them.
    pub fn next_camera(&mut self) {
        self.camera = match self.camera {
            None => (!self.cameras.is_empty()).then_some(0),
            Some(camera) => Some(camera + 1).filter(|&next| next < self.cameras.len()),
        };
    }
}

/// What of a scene is drawn that a camera would not see.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShowInside {
    /// Points and forces of contacts.
    pub contacts: bool,
    /// Axes of joints.
    pub joints: bool,
}

/// A camera that looks at a point from around it. z is up; lengths are the model's, m.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Orbit {
    /// The point, relative to what the camera follows.
    pub focus: Vec3,
    /// From the point to the camera.
    pub distance: f32,
    /// Heading of the view, counterclockwise from x, rad.
    pub azimuth_rad: f32,
    /// Tilt of the view, rad; negative looks down.
    pub elevation_rad: f32,
}

impl Orbit {
    /// Direction of the view.
    pub fn forward(&self) -> Vec3 {
        let (sin, cos) = self.elevation_rad.sin_cos();
        Vec3::new(cos * self.azimuth_rad.cos(), cos * self.azimuth_rad.sin(), sin)
    }

    /// The camera's pose in the scene when what it follows is at `followed`.
    pub fn pose(&self, followed: Vec3) -> Transform {
        let focus = followed + self.focus;
        Transform::from_translation(focus - self.forward() * self.distance).looking_to(self.forward(), Vec3::Z)
    }

    /// Goes around the point; a drag over the picture's height is half a turn.
    pub fn turn(&mut self, drag: Vec2) {
        self.azimuth_rad -= drag.x * std::f32::consts::PI;
        self.elevation_rad = (self.elevation_rad - drag.y * std::f32::consts::PI).clamp(-STEEPEST_RAD, STEEPEST_RAD);
    }

    /// Moves the point with the pointer; `drag` is in picture heights, y down.
    pub fn pan(&mut self, drag: Vec2) {
        let height = 2.0 * self.distance * (FREE_FOV_RAD / 2.0).tan();
        let pose = self.pose(Vec3::ZERO);
        self.focus += (pose.up() * drag.y - pose.right() * drag.x) * height;
    }

    /// Goes `factor` times as near.
    pub fn zoom(&mut self, factor: f32) {
        let (nearest, farthest) = (1e-2, 1e4);
        self.distance = (self.distance / factor).clamp(nearest, farthest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORBIT: Orbit =
        Orbit { focus: Vec3::new(1.0, 2.0, 0.5), distance: 3.0, azimuth_rad: 0.4, elevation_rad: -0.3 };

    #[test]
    fn the_camera_looks_at_the_point_with_z_up() {
        let pose = ORBIT.pose(Vec3::new(10.0, 0.0, 0.0));
        let to_focus = (Vec3::new(11.0, 2.0, 0.5) - pose.translation).normalize();
        assert!(pose.forward().dot(to_focus) > 0.99999);
        assert!(pose.right().z.abs() < 1e-6 && pose.up().z > 0.9);
        assert!(pose.translation.z > 0.5, "it looks down from above");
    }

    #[test]
    fn panning_moves_the_picture_with_the_pointer() {
        let mut orbit = ORBIT;
        orbit.pan(Vec2::new(0.5, 0.25));
        // The former point is now right of the center and below it, by half and a quarter of the picture's height.
        let seen = orbit.pose(Vec3::ZERO).to_matrix().inverse().transform_point3(ORBIT.focus);
        let heights = Vec2::new(seen.x, seen.y) / (-seen.z * 2.0 * (FREE_FOV_RAD / 2.0).tan());
        assert!((heights - Vec2::new(0.5, -0.25)).length() < 1e-5, "{heights}");
    }

    #[test]
    fn turning_keeps_the_distance_and_never_tips_over() {
        let mut orbit = ORBIT;
        for _ in 0..50 {
            orbit.turn(Vec2::new(0.3, 0.4));
            let pose = orbit.pose(Vec3::ZERO);
            assert!((pose.translation.distance(orbit.focus) - 3.0).abs() < 1e-4);
            assert!(pose.up().z > 0.0);
        }
    }

    #[test]
    fn cameras_come_in_turn() {
        let mut view = Viewpoint {
            cameras: vec!["side".into(), "back".into()],
            camera: None,
            orbit: ORBIT,
            home: ORBIT,
            size: UVec2::ZERO,
        };
        let names: Vec<String> = (0..4)
            .map(|_| {
                view.next_camera();
                view.name().to_owned()
            })
            .collect();
        assert_eq!(names, ["side", "back", "free", "side"]);
    }
}
