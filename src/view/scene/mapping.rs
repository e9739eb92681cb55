//! Where on a texture each corner of a mesh lies, by MuJoCo's rules for flat and cube textures.

use bevy::mesh::VertexAttributeValues;
use bevy::prelude::*;

use super::shapes::{Shape, positions};

/// Share of a face of the atlas that is left out at its border, so that neighbors do not bleed in.
const FACE_INSET: f32 = 0.004;

/// How a texture lies on a shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mapping {
    /// Projected along z: so often over the shape, or over 2 m where it is uniform.
    Flat {
        /// How often, along x and y.
        repeat: Vec2,
        /// Whether repetitions are counted in space, not over the shape.
        uniform: bool,
    },
    /// Projected from the center onto a cube, whose faces lie one above the other in the picture.
    Cube {
        /// Whether the shape keeps its proportions within the cube.
        uniform: bool,
    },
}

impl Mapping {
    /// After what length the pattern repeats on a plane, m.
    pub(super) fn period(&self, shape: &Shape) -> Option<Vec2> {
        match *self {
            Self::Flat { repeat, uniform } if repeat.min_element() > 0.0 => Some(2.0 * unit(shape, uniform) / repeat),
            _ => None,
        }
    }

    /// Gives the mesh of `shape` its texture coordinates; those of the model stay.
    pub(super) fn apply(&self, mesh: &mut Mesh, shape: &Shape, from_model: bool) {
        if from_model {
            return;
        }
        match *self {
            Self::Flat { repeat, uniform } => {
                let factor = 0.5 * repeat / unit(shape, uniform);
                let coordinates: Vec<[f32; 2]> =
                    positions(mesh).iter().map(|&[x, y, _]| [factor.x * x - 0.5, -factor.y * y - 0.5]).collect();
                mesh.insert_attribute(Mesh::ATTRIBUTE_UV_0, coordinates);
            }
            Self::Cube { uniform } => {
                if mesh.indices().is_some() {
                    mesh.duplicate_vertices();
                }
                let scale = if uniform { Vec3::ONE } else { 1.0 / shape.unit_scale().max(Vec3::splat(1e-9)) };
                let (corners, rest) = positions(mesh).as_chunks::<3>();
                debug_assert!(rest.is_empty(), "corners come in threes");
                let coordinates: Vec<[f32; 2]> = corners
                    .iter()
                    .flat_map(|triangle| on_atlas(triangle.map(|corner| Vec3::from(corner) * scale)))
                    .collect();
                mesh.insert_attribute(Mesh::ATTRIBUTE_UV_0, VertexAttributeValues::Float32x2(coordinates));
            }
        }
    }
}

/// Half the length over which repetitions of a flat texture are counted, along x and y.
fn unit(shape: &Shape, uniform: bool) -> Vec2 {
    if uniform { Vec2::ONE } else { shape.unit_scale().truncate().max(Vec2::splat(1e-9)) }
}

/// Coordinates of a triangle on the face of the cube at which its middle lies.
fn on_atlas(triangle: [Vec3; 3]) -> [[f32; 2]; 3] {
    let face = face_of(triangle.iter().sum());
    triangle.map(|corner| {
        let [s, t] = on_face(face, corner);
        let inside = |x: f32| x.clamp(FACE_INSET, 1.0 - FACE_INSET);
        [inside(s), (face as f32 + inside(t)) / 6.0]
    })
}

/// OpenGL's number of the face that a direction points at: +x, -x, +y, -y, +z, -z.
fn face_of(direction: Vec3) -> usize {
    let axis = direction.abs().max_position();
    2 * axis + usize::from(direction[axis] < 0.0)
}

/// OpenGL's coordinates of a direction on a face.
fn on_face(face: usize, direction: Vec3) -> [f32; 2] {
    let Vec3 { x, y, z } = direction;
    let (s, t) = match face {
        0 => (-z, -y),
        1 => (z, -y),
        2 => (x, z),
        3 => (x, -z),
        4 => (x, -y),
        _ => (-x, -y),
    };
    let depth = direction[face / 2].abs().max(1e-9);
    [s / depth, t / depth].map(|x| (x + 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy::mesh::VertexAttributeValues;
    use mujoco_rs::wrappers::mj_model::MjtGeomBase;

    fn coordinates(mesh: &Mesh) -> Vec<[f32; 2]> {
        match mesh.attribute(Mesh::ATTRIBUTE_UV_0) {
            Some(VertexAttributeValues::Float32x2(uv)) => uv.clone(),
            _ => panic!("no texture coordinates"),
        }
    }

    fn mapped(mapping: Mapping, shape: Shape, mut mesh: Mesh) -> (Vec<Vec3>, Vec<[f32; 2]>) {
        mapping.apply(&mut mesh, &shape, false);
        (positions(&mesh).iter().map(|&p| p.into()).collect(), coordinates(&mesh))
    }

    #[test]
    fn a_uniform_flat_texture_repeats_every_two_meters_over_its_number() {
        let shape = Shape { kind: MjtGeomBase::mjGEOM_PLANE, size: Vec3::new(3.0, 5.0, 0.1), asset: None };
        let mapping = Mapping::Flat { repeat: Vec2::new(1.0, 2.0), uniform: true };
        assert_eq!(mapping.period(&shape), Some(Vec2::new(2.0, 1.0)));
        let (corners, uv) = mapped(mapping, shape, Plane3d::new(Vec3::Z, Vec2::new(3.0, 5.0)).mesh().build());
        for (corner, [u, v]) in corners.iter().zip(uv) {
            assert!((u - (corner.x / 2.0 - 0.5)).abs() < 1e-5 && (v - (-corner.y - 0.5)).abs() < 1e-5);
        }
        let over_shape = Mapping::Flat { repeat: Vec2::new(4.0, 1.0), uniform: false };
        assert_eq!(over_shape.period(&shape), Some(Vec2::new(1.5, 10.0)));
        let (_, uv) = mapped(over_shape, shape, Plane3d::new(Vec3::Z, Vec2::new(3.0, 5.0)).mesh().build());
        let width = |k: usize| {
            let of = |uv: &[f32; 2]| uv[k];
            uv.iter().map(of).fold(f32::MIN, f32::max) - uv.iter().map(of).fold(f32::MAX, f32::min)
        };
        assert!((width(0) - 4.0).abs() < 1e-5 && (width(1) - 1.0).abs() < 1e-5, "four times along x, once along y");
    }

    #[test]
    fn each_side_of_a_box_shows_its_face_of_the_cube() {
        let size = Vec3::new(0.1, 0.7, 0.3);
        let shape = Shape { kind: MjtGeomBase::mjGEOM_BOX, size, asset: None };
        let (corners, uv) =
            mapped(Mapping::Cube { uniform: false }, shape, Cuboid::from_size(2.0 * size).mesh().build());
        for (triangle, uv) in corners.chunks(3).zip(uv.chunks(3)) {
            let middle = (triangle[0] + triangle[1] + triangle[2]) / size;
            let face = face_of(middle) as f32;
            assert!(uv.iter().all(|[_, v]| (face / 6.0..=(face + 1.0) / 6.0).contains(v)), "{middle}: {uv:?}");
            assert!(uv.iter().all(|[u, _]| *u < 0.01 || *u > 0.99), "a side is filled to its corners");
        }
    }
}
