//! What a model's scene is built from: its visible parts with meshes and materials, made once and shared by instances.

use std::sync::Arc;

use bevy::platform::collections::HashMap;
use bevy::prelude::*;
use mujoco_rs::wrappers::mj_model::{MjModel, MjtGeomBase};

use super::ghost;
use super::mapping::Mapping;
use super::materials::Look;
use super::shapes::Shape;
use super::sky::Sky;
use super::textures::Pixels;
use crate::env::mujoco::Model;

/// MuJoCo shows groups 0, 1 and 2 and hides the others.
const SHOWN_GROUPS: std::ops::Range<i32> = 0..3;

/// Something of a model that can be seen.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The geom of this number.
    Geom(usize),
    /// The site of this number.
    Site(usize),
    /// The piece of a tendon that begins at this point of all tendons' paths.
    Tendon(usize),
}

/// How to make one [`Part`].
pub(super) struct Plan {
    pub(super) part: Part,
    pub(super) mesh: Handle<Mesh>,
    pub(super) material: Handle<StandardMaterial>,
    /// Of the ghost's copy; `None` for what never moves.
    pub(super) ghost: Option<Handle<StandardMaterial>>,
    pub(super) casts_shadow: bool,
    /// What the mesh was built for; an instance may have another size.
    pub(super) shape: Shape,
    /// Of a plane without end: after what length its pattern repeats, along x and y; zero where it has an end.
    pub(super) endless: Vec2,
}

/// What every scene of a model shares.
pub(super) struct Blueprint {
    pub(super) model: Arc<Model>,
    pub(super) plans: Vec<Plan>,
    pub(super) sky: Handle<Image>,
    pub(super) horizon: Color,
    /// The share of light that the lightest plain surface gives back.
    pub(super) lightest: f32,
}

/// The blueprints of the models on show.
#[derive(Resource, Default)]
pub(super) struct Blueprints(Vec<Arc<Blueprint>>);

impl Blueprints {
    /// The blueprint of a model, made at its first use.
    pub(super) fn get(&mut self, world: &mut World, model: &Arc<Model>) -> Arc<Blueprint> {
        if let Some(known) = self.0.iter().find(|known| Arc::ptr_eq(&known.model, model)) {
            return Arc::clone(known);
        }
        let made = Arc::new(Blueprint::new(world, model));
        self.0.push(Arc::clone(&made));
        made
    }
}

impl Blueprint {
    fn new(world: &mut World, model: &Arc<Model>) -> Self {
        let sky = Sky::of(model.wrapped());
        let mut maker = Maker { model: model.wrapped(), textures: HashMap::default(), world };
        let plans = maker.plans();
        let horizon = sky.horizon;
        let sky = world.resource_mut::<Assets<Image>>().add(sky.image);
        let looks = visible_geoms(model.wrapped()).map(|geom| geom_look(model.wrapped(), geom));
        let lightest = looks.map(|look| look.reflected()).fold(0.0, f32::max);
        Self { model: Arc::clone(model), plans, sky, horizon, lightest }
    }
}

struct Maker<'a> {
    model: &'a MjModel,
    textures: HashMap<usize, Option<Handle<Image>>>,
    world: &'a mut World,
}

impl Maker<'_> {
    fn plans(&mut self) -> Vec<Plan> {
        let model = self.model;
        let mut plans = Vec::new();
        for geom in visible_geoms(model) {
            let shape = shape(model.geom_type()[geom], model.geom_size()[geom], model.geom_dataid()[geom]);
            let look = geom_look(model, geom);
            let moves = moves(model, model.geom_bodyid()[geom]);
            plans.push(self.plan(Part::Geom(geom), shape, look, moves));
        }
        for site in 0..model.nsite() as usize {
            let look = Look::new(model, model.site_rgba()[site], model.site_matid()[site]);
            if look.is_visible() && SHOWN_GROUPS.contains(&model.site_group()[site]) {
                let shape = shape(model.site_type()[site], model.site_size()[site], model.site_dataid()[site]);
                let moves = moves(model, model.site_bodyid()[site]);
                plans.push(self.plan(Part::Site(site), shape, look, moves));
            }
        }
        for tendon in 0..model.ntendon() as usize {
            let look = Look::new(model, model.tendon_rgba()[tendon], model.tendon_matid()[tendon]);
            if look.is_visible() && SHOWN_GROUPS.contains(&model.tendon_group()[tendon]) {
                let radius = model.tendon_width()[tendon];
                let shape = shape(MjtGeomBase::mjGEOM_CYLINDER, [radius, 0.5, 0.0], -1);
                // A path has at most two points for each object that it passes.
                let first = model.tendon_adr()[tendon] as usize;
                let points = 2 * first..2 * (first + model.tendon_num()[tendon] as usize);
                plans.extend(points.map(|point| self.plan(Part::Tendon(point), shape, look, true)));
            }
        }
        plans
    }

    fn plan(&mut self, part: Part, shape: Shape, look: Look, moves: bool) -> Plan {
        let ground = matches!(part, Part::Geom(geom) if is_ground(self.model, geom));
        let drawn = if ground { shape.endless() } else { shape };
        let mut mesh = drawn.mesh(self.model);
        let look = if ground { look.lifted(self.model) } else { look };
        let texture = look.texture.and_then(|(texture, mapping)| {
            let from_model = mesh.contains_attribute(Mesh::ATTRIBUTE_UV_0) && shape.kind == MjtGeomBase::mjGEOM_MESH;
            mapping.apply(&mut mesh, &shape, from_model);
            self.texture(texture, mapping)
        });
        let mesh = self.world.resource_mut::<Assets<Mesh>>().add(mesh);
        let mut materials = self.world.resource_mut::<Assets<StandardMaterial>>();
        let ghost = moves.then(|| materials.add(ghost::material(&look)));
        let material = materials.add(look.material(texture));
        let period = look.texture.and_then(|(_, mapping)| mapping.period(&shape)).unwrap_or(Vec2::ONE);
        let [x, y] = drawn.is_infinite();
        Plan {
            part,
            mesh,
            material,
            ghost,
            casts_shadow: matches!(part, Part::Geom(_)) && !look.is_transparent(),
            shape,
            endless: period * Vec2::new(f32::from(x), f32::from(y)),
        }
    }

    fn texture(&mut self, texture: usize, mapping: Mapping) -> Option<Handle<Image>> {
        let (model, world) = (self.model, &mut *self.world);
        let load = || {
            let pixels = Pixels::of(model, texture)?;
            let image = match mapping {
                Mapping::Flat { .. } => pixels.repeating(),
                Mapping::Cube { .. } => pixels.atlas(),
            };
            Some(world.resource_mut::<Assets<Image>>().add(image))
        };
        self.textures.entry(texture).or_insert_with(load).clone()
    }
}

/// The geoms that MuJoCo would show.
pub(super) fn visible_geoms(model: &MjModel) -> impl Iterator<Item = usize> {
    (0..model.ngeom() as usize)
        .filter(|&geom| SHOWN_GROUPS.contains(&model.geom_group()[geom]) && geom_look(model, geom).is_visible())
}

fn geom_look(model: &MjModel, geom: usize) -> Look {
    Look::new(model, model.geom_rgba()[geom], model.geom_matid()[geom])
}

/// A size that is still to be set per instance counts as 1.
fn shape(kind: MjtGeomBase, size: [f64; 3], asset: i32) -> Shape {
    let unset = kind != MjtGeomBase::mjGEOM_PLANE;
    let size = size.map(|size| if unset && size <= 0.0 { 1.0 } else { size as f32 });
    Shape { kind, size: size.into(), asset: usize::try_from(asset).ok() }
}

/// Whether a geom is ground: a plane of the world that faces up. To what stands on it it has no end, whatever its size.
pub(super) fn is_ground(model: &MjModel, geom: usize) -> bool {
    let [_, x, y, _] = model.geom_quat()[geom];
    let up = 1.0 - 2.0 * (x * x + y * y);
    model.geom_type()[geom] == MjtGeomBase::mjGEOM_PLANE && model.geom_bodyid()[geom] == 0 && up > 0.5
}

/// Whether a body is on a joint, by itself or with what it is fixed to.
fn moves(model: &MjModel, body: i32) -> bool {
    model.body_weldid()[body as usize] != 0
}
