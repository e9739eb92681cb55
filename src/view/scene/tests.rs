//! Meshes of shapes: extents, orientation, normals that point outward; the parts of a model.

use bevy::mesh::VertexAttributeValues;
use bevy::prelude::*;
use mujoco_rs::wrappers::mj_model::{MjModel, MjtGeomBase};

use super::blueprint::{is_ground, visible_geoms};
use super::shapes::{HORIZON_M, Shape, positions};

const EVERY_SHAPE: &str = r#"<mujoco>
    <asset>
        <mesh name="block" vertex="0 0 0  1 0 0  0 2 0  1 2 0  0 0 3  1 0 3  0 2 3  1 2 3"/>
        <hfield name="hill" nrow="2" ncol="3" size="2 1 .5 .1" elevation="0 0 1  0 1 1"/>
    </asset>
    <worldbody>
        <geom type="plane" size="0 3 1"/>
        <geom type="sphere" size=".3"/>
        <geom type="capsule" size=".1 .4"/>
        <geom type="ellipsoid" size=".1 .2 .3"/>
        <geom type="cylinder" size=".2 .5"/>
        <geom type="box" size=".1 .2 .3"/>
        <geom type="mesh" mesh="block"/>
        <geom type="hfield" hfield="hill"/>
        <geom type="sphere" size=".3" group="3"/>
        <geom type="sphere" size=".3" rgba="1 1 1 0"/>
    </worldbody></mujoco>"#;

fn model() -> MjModel {
    MjModel::from_xml_string(EVERY_SHAPE).expect("a valid model")
}

fn mesh(model: &MjModel, geom: usize) -> Mesh {
    let size = Vec3::from(model.geom_size()[geom].map(|size| size as f32));
    let asset = usize::try_from(model.geom_dataid()[geom]).ok();
    Shape { kind: model.geom_type()[geom], size, asset }.mesh(model)
}

fn sorted(vector: Vec3) -> Vec3 {
    let mut sorted = vector.to_array();
    sorted.sort_by(f32::total_cmp);
    sorted.into()
}

fn half_extents(mesh: &Mesh) -> Vec3 {
    let corners = positions(mesh).iter().map(|&corner| Vec3::from(corner));
    let (low, high) = corners.fold((Vec3::MAX, Vec3::MIN), |(low, high), corner| (low.min(corner), high.max(corner)));
    (high - low) / 2.0
}

#[test]
fn meshes_reach_as_far_as_their_geoms() {
    let model = model();
    let wanted = [
        Vec3::new(HORIZON_M, 3.0, 0.0),
        Vec3::splat(0.3),
        Vec3::new(0.1, 0.1, 0.5),
        Vec3::new(0.1, 0.2, 0.3),
        Vec3::new(0.2, 0.2, 0.5),
        Vec3::new(0.1, 0.2, 0.3),
        Vec3::new(0.5, 1.0, 1.5),
        Vec3::new(2.0, 1.0, 0.3),
    ];
    for (geom, wanted) in wanted.into_iter().enumerate() {
        let found = half_extents(&mesh(&model, geom));
        // MuJoCo turns a mesh into its axes of inertia; here they are its sides in another order.
        let is_mesh = model.geom_type()[geom] == MjtGeomBase::mjGEOM_MESH;
        let found = if is_mesh { sorted(found) } else { found };
        assert!((found - wanted).abs().max_element() < 4e-3, "geom {geom}: {found}, not {wanted}");
    }
}

#[test]
fn normals_point_where_the_triangles_face() {
    let model = model();
    for geom in visible_geoms(&model) {
        let mut mesh = mesh(&model, geom);
        if mesh.indices().is_some() {
            mesh.duplicate_vertices();
        }
        let Some(VertexAttributeValues::Float32x3(normals)) = mesh.attribute(Mesh::ATTRIBUTE_NORMAL) else {
            panic!("geom {geom} has no normals");
        };
        let corners = positions(&mesh);
        assert!(!corners.is_empty(), "geom {geom} has no triangles");
        for (corners, normals) in corners.chunks(3).zip(normals.chunks(3)) {
            let [a, b, c] = [0, 1, 2].map(|k| Vec3::from(corners[k]));
            let face = (b - a).cross(c - a);
            // At its poles a sphere has triangles without area.
            if face.length() > 1e-7 {
                // MuJoCo rounds off a mesh without faces of its own; the block's middle is its origin.
                let is_mesh = model.geom_type()[geom] == MjtGeomBase::mjGEOM_MESH;
                let mean = if is_mesh { a + b + c } else { normals.iter().map(|&normal| Vec3::from(normal)).sum() };
                assert!(mean.dot(face) > 0.0, "geom {geom}: a triangle at {a} faces inward");
            }
        }
    }
}

#[test]
fn a_capsule_stands_along_z_with_round_ends() {
    let model = model();
    let mesh = mesh(&model, 2);
    for &corner in positions(&mesh) {
        let corner = Vec3::from(corner);
        let to_axis = corner - Vec3::new(0.0, 0.0, corner.z.clamp(-0.4, 0.4));
        assert!((to_axis.length() - 0.1).abs() < 1e-5, "{corner} is not on the surface");
    }
}

#[test]
fn a_height_field_is_as_high_as_its_data() {
    let model = model();
    let mesh = mesh(&model, 7);
    let height = |x: f32, y: f32| {
        let at = |corner: &&[f32; 3]| (corner[0] - x).abs() < 1e-5 && (corner[1] - y).abs() < 1e-5;
        positions(&mesh).iter().filter(at).map(|corner| corner[2]).fold(f32::MIN, f32::max)
    };
    // As a map is read: the first row of the file lies farthest along y.
    assert_eq!([height(-2.0, 1.0), height(0.0, 1.0), height(2.0, 1.0)], [0.0, 0.0, 0.5]);
    assert_eq!([height(-2.0, -1.0), height(0.0, -1.0), height(2.0, -1.0)], [0.0, 0.5, 0.5]);
}

#[test]
fn ground_is_what_faces_up_and_stays_where_it_is() {
    let xml = r#"<mujoco><worldbody>
        <geom type="plane" size=".6 .2 1"/>
        <geom type="plane" size="5 .8 1" zaxis="-.14 0 .99"/>
        <geom type="plane" size=".3 .02 1" zaxis="1 0 0"/>
        <geom type="box" size="5 5 .1"/>
        <body><freejoint/><geom size=".1"/></body>
    </worldbody></mujoco>"#;
    let model = MjModel::from_xml_string(xml).expect("a valid model");
    let found: Vec<bool> = (0..5).map(|geom| is_ground(&model, geom)).collect();
    assert_eq!(found, [true, true, false, false, false], "a floor, a slope, a wall, a box, a ball");

    let strip = Shape { kind: MjtGeomBase::mjGEOM_PLANE, size: Vec3::new(0.6, 0.2, 1.0), asset: None };
    assert_eq!(half_extents(&strip.endless().mesh(&model)), Vec3::new(HORIZON_M, HORIZON_M, 0.0));
}

#[test]
fn hidden_groups_and_invisible_geoms_have_no_part() {
    assert_eq!(visible_geoms(&model()).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
}
