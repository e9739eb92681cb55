#!/usr/bin/env python3
"""Records what src/env/box2d/tests.rs holds the walker's physics against.

    python3 -m venv venv
    venv/bin/pip install box2d==2.3.10 numpy
    venv/bin/python tests/traces/record_box2d.py tests/traces

writes `box2d.json` into the given folder: a list of runs of the bipedal walker in Box2D 2.3. A run holds

- `heights` of the corners of its ground (one number if it is level) and `blocks` on it, as lower left and upper right
  corner;
- `resets` that its world has behind it: each frees the ground from right to left and then the robot, and builds them
  anew, which changes in which order contacts are solved;
- `actions`, each held for `hold` raw steps, after a first step without action;
- `states` after every `every` raw steps, the first step included: for hull, upper and lower leg of the first and of the
  second side their origin, angle, velocity and spin, as float32.
"""

import json
import sys

import Box2D
import numpy as np
from Box2D.b2 import edgeShape, fixtureDef, polygonShape

UNIT = 1 / 30
SPACING = 14 * UNIT
LEVEL = 100 * UNIT
HULL = [(-30, 9), (6, 9), (34, 1), (34, -8), (-30, -8)]
SPEEDS = [4, 6, 4, 6]
CORNERS = 200
HOLD, EVERY, STEPS = 10, 10, 250


class Flags(Box2D.b2ContactListener):
    def __init__(self):
        super().__init__()
        self.bodies, self.feet, self.fallen = [], [False, False], False

    def BeginContact(self, contact):
        self.note(contact, True)

    def EndContact(self, contact):
        self.note(contact, False)

    def note(self, contact, begins):
        touching = (contact.fixtureA.body, contact.fixtureB.body)
        self.fallen |= begins and self.bodies[0] in touching
        for foot in range(2):
            if self.bodies[2 + 2 * foot] in touching:
                self.feet[foot] = begins


def fixed(world, shape):
    return world.CreateStaticBody(fixtures=fixtureDef(shape=shape, friction=2.5))


def build_ground(world, heights, blocks):
    bodies = []
    for (left, low), (right, high) in blocks:
        bodies.append(fixed(world, polygonShape(vertices=[(left, low), (right, low), (right, high), (left, high)])))
    corners = [(i * SPACING, height) for i, height in enumerate(heights)]
    return bodies + [fixed(world, edgeShape(vertices=list(ends))) for ends in zip(corners, corners[1:])]


def build_robot(world):
    x, y = 10 * SPACING, LEVEL + 68 * UNIT

    def body(below, angle, shape, density, friction):
        fixture = fixtureDef(
            shape=shape, density=density, friction=friction, restitution=0.0, categoryBits=0x20, maskBits=1
        )
        return world.CreateDynamicBody(position=(x, y - below * UNIT), angle=angle, fixtures=fixture)

    def leg(below, half_width, angle):
        return body(below, angle, polygonShape(box=(half_width * UNIT, 17 * UNIT)), 1.0, 0.2)

    def hinge(a, b, anchor, limits):
        return world.CreateRevoluteJoint(
            bodyA=a, bodyB=b, localAnchorA=(0, anchor * UNIT), localAnchorB=(0, 17 * UNIT),
            enableMotor=True, enableLimit=True, maxMotorTorque=80, motorSpeed=0.0, lowerAngle=limits[0],
            upperAngle=limits[1],
        )  # fmt: skip

    hull = body(0, 0.0, polygonShape(vertices=[(a * UNIT, b * UNIT) for a, b in HULL]), 5.0, 0.1)
    bodies, joints = [hull], []
    for angle in (-0.05, 0.05):
        upper = leg(9, 4, angle)
        joints.append(hinge(hull, upper, -8, (-0.8, 1.1)))
        lower = leg(43, 3.2, angle)
        joints.append(hinge(upper, lower, -17, (-1.6, -0.1)))
        bodies += [upper, lower]
    return bodies, joints


def step(world, joints, action):
    for joint, speed, a in zip(joints, SPEEDS, action):
        joint.motorSpeed = float(speed * np.sign(a))
        joint.maxMotorTorque = float(80 * abs(a))
    world.Step(1 / 50, 180, 60)


def state(bodies, flags):
    values = []
    for body in bodies:
        place, velocity = body.position, body.linearVelocity
        values += [place[0], place[1], body.angle, velocity[0], velocity[1], body.angularVelocity]
    return [float(f"{np.float32(value):.9g}") for value in values] + [int(it) for it in (*flags.feet, flags.fallen)]


def record(heights, blocks, resets, actions):
    world = Box2D.b2World()
    line = [heights] * CORNERS if isinstance(heights, float) else heights
    ground = build_ground(world, line, blocks)
    bodies, joints = build_robot(world)
    for _ in range(resets):
        step(world, joints, [0] * 4)
        for body in ground[::-1] + bodies:
            world.DestroyBody(body)
        ground = build_ground(world, line, blocks)
        bodies, joints = build_robot(world)
    flags = Flags()
    flags.bodies = bodies
    world.contactListener = flags
    step(world, joints, [0] * 4)
    states = [state(bodies, flags)]
    for i in range(1, STEPS + 1):
        step(world, joints, actions[(i - 1) // HOLD])
        if i % EVERY == 0:
            states.append(state(bodies, flags))
    return dict(heights=heights, blocks=blocks, resets=resets, hold=HOLD, every=EVERY, actions=actions, states=states)


def main(folder):
    random = np.random.default_rng(1)
    level = round(LEVEL, 6)

    def rough():
        slope, height, heights = 0.0, LEVEL, []
        for i in range(CORNERS):
            slope = 0.75 * slope + 0.015 * np.sign(LEVEL - height) + (random.uniform(-0.15, 0.15) if i > 8 else 0.0)
            height += slope
            heights.append(round(height, 4))
        return heights

    blocks = [[[1.8, level], [3.2, level + 0.35]], [[5.6, level], [6.533, level + 0.25]], [[7.0, level], [8.4, 4.383]]]
    runs = []
    for heights, blocks, resets in (
        [level, [], 0], [level, [], 2], [level, [], 43], [rough(), [], 0], [rough(), [], 7], [level, blocks, 0],
        [level, blocks, 11],
    ):  # fmt: skip
        actions = (np.round(64 * random.uniform(-1, 1, (STEPS // HOLD, 4))) / 64).tolist()
        runs.append(record(heights, blocks, resets, actions))
    runs.append(record(level, [], 0, [[0.0] * 4] * (STEPS // HOLD)))
    with open(f"{folder}/box2d.json", "w") as file:
        json.dump(runs, file, separators=(",", ":"))


if __name__ == "__main__":
    main(sys.argv[1])
