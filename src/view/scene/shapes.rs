//! Meshes of MuJoCo's shapes in their own frames: long axes along z, as MuJoCo has them.

use std::f32::consts::FRAC_PI_2;

use bevy::asset::RenderAssetUsages;
use bevy::mesh::{Indices, PrimitiveTopology, VertexAttributeValues};
use bevy::prelude::*;
use mujoco_rs::wrappers::mj_model::{MjModel, MjtGeomBase};

/// Half the side of what stands for a plane without end, m: all of it that fog leaves to see. Drivers that filter textures on
/// the CPU take minutes over the pixels where a larger one is seen edge on.
pub(super) const HORIZON_M: f32 = 150.0;

/// What kind of thing a geom or site looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    /// MuJoCo's type.
    pub(super) kind: MjtGeomBase,
    /// MuJoCo's sizes, m; what they mean depends on the type.
    pub(super) size: Vec3,
    /// The model's mesh or height field, if it is one.
    pub(super) asset: Option<usize>,
}

impl Shape {
    /// Whether it is a plane without end in x, in y.
    pub(super) fn is_infinite(&self) -> [bool; 2] {
        let plane = self.kind == MjtGeomBase::mjGEOM_PLANE;
        [plane && self.size.x <= 0.0, plane && self.size.y <= 0.0]
    }

    /// The same plane without end.
    pub(super) fn endless(self) -> Self {
        Self { size: self.size.with_x(0.0).with_y(0.0), ..self }
    }

    /// The size by which MuJoCo scales its unit shape; 1 where the mesh has its own size or no end.
    pub(super) fn unit_scale(&self) -> Vec3 {
        match self.kind {
            MjtGeomBase::mjGEOM_CAPSULE | MjtGeomBase::mjGEOM_CYLINDER => {
                Vec3::new(self.size.x, self.size.x, self.size.y)
            }
            MjtGeomBase::mjGEOM_SPHERE => Vec3::splat(self.size.x),
            MjtGeomBase::mjGEOM_PLANE => {
                let [x, y] = self.is_infinite();
                Vec3::new(if x { 1.0 } else { self.size.x }, if y { 1.0 } else { self.size.y }, 1.0)
            }
            _ => self.size,
        }
    }

    /// Its triangles, with outward normals and texture coordinates where the model has them.
    pub(super) fn mesh(&self, model: &MjModel) -> Mesh {
        let size = self.size;
        let upright = Quat::from_rotation_x(FRAC_PI_2);
        match self.kind {
            MjtGeomBase::mjGEOM_PLANE => {
                let [x, y] = self.is_infinite();
                let half = Vec2::new(if x { HORIZON_M } else { size.x }, if y { HORIZON_M } else { size.y });
                Plane3d::new(Vec3::Z, half).mesh().build()
            }
            MjtGeomBase::mjGEOM_SPHERE => Sphere::new(size.x).mesh().uv(40, 24).rotated_by(upright),
            MjtGeomBase::mjGEOM_ELLIPSOID => Sphere::new(1.0).mesh().uv(40, 24).rotated_by(upright).scaled_by(size),
            MjtGeomBase::mjGEOM_CAPSULE => {
                Capsule3d::new(size.x, 2.0 * size.y).mesh().longitudes(32).latitudes(20).build().rotated_by(upright)
            }
            MjtGeomBase::mjGEOM_CYLINDER => {
                Cylinder::new(size.x, 2.0 * size.y).mesh().resolution(48).build().rotated_by(upright)
            }
            MjtGeomBase::mjGEOM_BOX => Cuboid::from_size(2.0 * size).mesh().build(),
            MjtGeomBase::mjGEOM_HFIELD => self.asset.map_or_else(empty, |field| height_field(model, field)),
            MjtGeomBase::mjGEOM_MESH | MjtGeomBase::mjGEOM_SDF => {
                self.asset.map_or_else(empty, |mesh| triangles(model, mesh))
            }
        }
    }
}

/// The corners of a mesh, m.
pub(super) fn positions(mesh: &Mesh) -> &[[f32; 3]] {
    match mesh.attribute(Mesh::ATTRIBUTE_POSITION) {
        Some(VertexAttributeValues::Float32x3(positions)) => positions,
        _ => &[],
    }
}

fn empty() -> Mesh {
    Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::default())
        .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, Vec::<[f32; 3]>::new())
}

/// A mesh of the model. Its corners, normals and texture coordinates have indices of their own, so none are shared.
fn triangles(model: &MjModel, mesh: usize) -> Mesh {
    let range = |first: &[i32], count: &[i32]| {
        let first = usize::try_from(first[mesh]).unwrap_or(0);
        first..first + usize::try_from(count[mesh]).unwrap_or(0)
    };
    let faces = range(model.mesh_faceadr(), model.mesh_facenum());
    let corners = &model.mesh_vert()[range(model.mesh_vertadr(), model.mesh_vertnum())];
    let normals = &model.mesh_normal()[range(model.mesh_normaladr(), model.mesh_normalnum())];
    let pick = |table: &[[f32; 3]], faces: &[[i32; 3]]| -> Vec<[f32; 3]> {
        faces.iter().flatten().map(|&index| table[index as usize]).collect()
    };
    let built = empty()
        .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, pick(corners, &model.mesh_face()[faces.clone()]))
        .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, pick(normals, &model.mesh_facenormal()[faces.clone()]));
    if model.mesh_texcoordadr()[mesh] < 0 {
        return built;
    }
    let texture = &model.mesh_texcoord()[range(model.mesh_texcoordadr(), model.mesh_texcoordnum())];
    let coordinates: Vec<[f32; 2]> =
        model.mesh_facetexcoord()[faces].iter().flatten().map(|&index| texture[index as usize]).collect();
    built.with_inserted_attribute(Mesh::ATTRIBUTE_UV_0, coordinates)
}

/// A height field's upper side and the walls around it.
fn height_field(model: &MjModel, field: usize) -> Mesh {
    let [half_x, half_y, height, depth] = model.hfield_size()[field].map(|size| size as f32);
    let (rows, columns) = (model.hfield_nrow()[field] as usize, model.hfield_ncol()[field] as usize);
    let first = model.hfield_adr()[field] as usize;
    let data = &model.hfield_data()[first..first + rows * columns];
    let corner = |row: usize, column: usize, z: f32| {
        let along = |index: usize, count: usize| 2.0 * index as f32 / (count - 1).max(1) as f32 - 1.0;
        [along(column, columns) * half_x, along(row, rows) * half_y, z]
    };
    let top = |row: usize, column: usize| corner(row, column, data[row * columns + column] * height);
    let place = |row: usize, column: usize| (row * columns + column) as u32;

    let corners = (0..rows).flat_map(|row| (0..columns).map(move |column| top(row, column))).collect::<Vec<_>>();
    let mut indices = Vec::new();
    for (row, column) in (1..rows).flat_map(|row| (1..columns).map(move |column| (row, column))) {
        let (a, b) = (place(row - 1, column - 1), place(row - 1, column));
        let (c, d) = (place(row, column), place(row, column - 1));
        indices.extend([a, b, c, a, c, d]);
    }
    let mut surface = empty()
        .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, corners)
        .with_inserted_indices(Indices::U32(indices))
        .with_computed_smooth_normals();
    surface.duplicate_vertices();

    // Around the border counterclockwise as seen from above.
    let border: Vec<(usize, usize)> = (0..columns)
        .map(|column| (0, column))
        .chain((1..rows).map(|row| (row, columns - 1)))
        .chain((0..columns - 1).rev().map(|column| (rows - 1, column)))
        .chain((0..rows - 1).rev().map(|row| (row, 0)))
        .collect();
    let walls: Vec<[f32; 3]> = border
        .windows(2)
        .flat_map(|pair| {
            let [(row, column), (next_row, next_column)] = [pair[0], pair[1]];
            let (a, b) = (corner(row, column, -depth), corner(next_row, next_column, -depth));
            let (c, d) = (top(next_row, next_column), top(row, column));
            [a, b, c, a, c, d]
        })
        .collect();
    let walls = empty().with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, walls).with_computed_flat_normals();
    surface.merge(&walls).expect("both have positions and normals alone");
    surface
}
