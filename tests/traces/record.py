#!/usr/bin/env python3
"""Records what tests/gym_ogbench.rs holds this program against.

    python3 -m venv venv
    venv/bin/pip install ogbench==1.2.2 mujoco==3.17.0 gymnasium==1.4.0 numpy
    venv/bin/python tests/traces/record.py tests/traces

writes into the given folder, from the stock Python packages through the benchmark's wrapper:

- `ogbench.json`: task id -> list of episodes. An episode holds the state after reset (`qpos`, `qvel`, `act`,
  `qacc_warmstart`, `mocap_pos`; the goal as the change of the target's position in `model_changes`), `first_obs`, and
  for each agent step `actions`, `observations` (float32), `rewards` and `success`; last the final `score`.
- `resets.json`: task id -> mean, standard deviation, smallest and largest value of every observation entry over `count`
  resets, for the OGBench and the gym MuJoCo tasks.

No display is needed: nothing is rendered.
"""

import json
import os
import sys

os.environ["MUJOCO_GL"] = "disabled"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import gymnasium
import mujoco
import numpy as np
from ogbench.locomaze.maze import make_maze_env
from ogbench.online_locomotion.ant import AntEnv
from ogbench.online_locomotion.ant_ball import AntBallEnv
from ogbench.online_locomotion.wrappers import GymXYWrapper

STEPS = 80
RESETS = 1000

MAPS = {
    "arena": "######## #......# #......# #......# #......# #......# #......# ########",
    "medium": "######## #..##..# #..#...# ##...### #..#...# #.#..#.# #...#..# ########",
    "bottleneck": "######## #..##..# #..##..# #......# #......# #..##..# #..##..# ########",
    "circle": "######## ##....## #..##..# #.####.# #.####.# #..##..# ##....## ########",
    "spiral": "######## #......# #.#.##.# #.#....# #....#.# #.##.#.# #......# ########",
    "var1": "####..## ##....## #....... #.##.#.. ..#..#.# #....... ##....## ##.#####",
    "var2": "..##..## #......# #..##... #......# .......# ...##... #..#...# ##.#..##",
}
MEDIUM_PAIRS = [
    [(1, 1), (6, 6)], [(6, 1), (1, 6)], [(5, 3), (2, 4)], [(2, 2), (6, 1)], [(2, 6), (1, 1)],
    [(2, 1), (4, 5)], [(6, 5), (4, 6)], [(2, 2), (4, 4)], [(6, 1), (2, 1)], [(6, 3), (3, 3)],
]  # fmt: skip
GRID = [(i, j) for i in (1, 2, 5, 6) for j in (1, 2, 5, 6)] + [(i, j) for i in (3, 4) for j in (3, 4)]
RING = [(2, 1), (1, 2), (2, 2), (3, 1), (1, 3), (4, 1), (5, 1), (5, 2), (6, 2), (6, 3)]
RING += [(6, 4), (6, 5), (5, 5), (5, 6), (4, 6), (1, 4), (1, 5), (2, 5), (2, 6), (3, 6)]
SPIRAL = [(1, 1), (1, 2), (2, 1), (1, 6), (2, 6), (1, 5), (6, 1), (6, 2)]
SPIRAL += [(5, 1), (6, 6), (5, 6), (6, 5), (3, 3), (3, 4), (4, 3), (4, 4)]


def apart(cells, least):
    pairs = [[a, b] for a in cells for b in cells]
    return [[a, b] for a, b in pairs if abs(a[0] - b[0]) + abs(a[1] - b[1]) >= least]


PAIRS = {
    "arena": apart([(i, j) for i in (2, 3, 4) for j in (2, 3, 4)], 2),
    "medium": MEDIUM_PAIRS,
    "bottleneck": apart(GRID, 3),
    "circle": apart(RING, 3),
    "spiral": apart(SPIRAL, 3),
    "var1": apart(RING, 3),
    "var2": apart(GRID, 3),
}
assert {name: len(pairs) for name, pairs in PAIRS.items()} == {
    "arena": 48, "medium": 10, "bottleneck": 312, "circle": 300, "spiral": 204, "var1": 300, "var2": 312,
}  # fmt: skip


def maze_class(body, name):
    """The stock maze class with this map and these start and goal cells."""
    stock = type(make_maze_env(body, "maze", maze_type="arena"))

    class Maze(stock):
        def update_tree(self, tree):
            self.maze_map = np.array([[int(c == "#") for c in row] for row in MAPS[name].split()])
            super().update_tree(tree)

        def set_tasks(self):
            self.task_infos = [
                dict(init_ij=a, init_xy=self.ij_to_xy(a), goal_ij=b, goal_xy=self.ij_to_xy(b)) for a, b in PAIRS[name]
            ]

    return Maze


class Maze:
    """A maze as the benchmark wraps it."""

    def __init__(self, body, name):
        self.point = body == "point"
        self.env = maze_class(body, name)(maze_type="arena")
        self.repeat = 4 if self.point else 2
        self.tolerance = 1.0 if self.point else 0.5

    def reset(self, seed=None):
        if seed is not None:
            self.env.action_space.seed(seed)
        self.env.reset(seed=seed)
        self.previous = self.env.get_xy()
        return self.observation()

    def observation(self):
        p, g = self.env.get_xy(), np.array(self.env.cur_goal_xy)
        tail = [g, p - g, [np.linalg.norm(p - g)]]
        head = [p, p - self.previous] if self.point else [self.env.data.qpos, self.env.data.qvel, p]
        return np.concatenate(head + tail) / 20

    def step(self, action):
        for _ in range(self.repeat):
            *_, info = self.env.step(action)
        self.previous = info["prev_qpos"][:2]
        p, g = self.env.get_xy(), np.array(self.env.cur_goal_xy)
        success = np.linalg.norm(p - g) <= self.tolerance
        cost = 0.025 * np.linalg.norm(p - self.previous) if self.point else 0.001 * np.linalg.norm(self.env.data.qvel)
        reward = success - (0.5 * np.abs(p - g).sum() + 0.5 * np.linalg.norm(p - g) + cost) / 20
        return self.observation(), reward, bool(success)

    def score(self, total, success):
        return float(success)

    def toward_goal(self):
        return self.env.cur_goal_xy - self.env.get_xy()


class Direction:
    """og-ant."""

    def __init__(self):
        self.wrapped = GymXYWrapper(AntEnv(), resample_interval=100)
        self.env = self.wrapped.unwrapped

    def reset(self, seed=None):
        return self.wrapped.reset(seed=seed)[0]

    def step(self, action):
        observation, reward, *_ = self.wrapped.step(action)
        return observation, reward, False

    def score(self, total, success):
        return float(np.clip(total, 0, 250) / 250)


class Ball:
    """og-antball."""

    def __init__(self):
        # The package's constructor draws a picture and sets up its camera; neither touches the state.
        class Undrawn(AntBallEnv):
            def render(self):
                viewer = type("Viewer", (), {"cam": type("Camera", (), {"lookat": [0, 0, 0]})()})()
                self.mujoco_renderer = type("Renderer", (), {"viewer": viewer, "close": lambda _: None})()

        self.env = Undrawn()

    def reset(self, seed=None):
        self.env.reset(seed=seed)
        self.env.set_goal(np.random.uniform(-3, 3, size=2))
        return self.env._get_obs()

    def step(self, action):
        observation, reward, _, _, info = self.env.step(action)
        return observation, reward, bool(info["success"])

    def score(self, total, success):
        return float(success)


class Gym:
    """A gym MuJoCo task, for its resets alone."""

    def __init__(self, name):
        self.env = gymnasium.make(name, disable_env_checker=True).unwrapped

    def reset(self, seed=None):
        return self.env.reset(seed=seed)[0]


OGBENCH = {"og-ant": Direction, "og-antball": Ball}
for body, names in [("point", MAPS), ("ant", ["arena", "medium", "bottleneck", "circle", "spiral"])]:
    for name in names:
        task = f"og-{body}-{'maze' if name == 'medium' else name}"
        OGBENCH[task] = lambda body=body, name=name: Maze(body, name)
GYM = {
    "mujoco-ant": "Ant-v4", "mujoco-halfcheetah": "HalfCheetah-v4", "mujoco-hopper": "Hopper-v4",
    "mujoco-inverted-pendulum": "InvertedPendulum-v4", "mujoco-reacher": "Reacher-v4", "mujoco-walker": "Walker2d-v4",
}  # fmt: skip


def short(values):
    """Float32 values in as few digits as give them back."""
    return [float(str(np.float32(x))) for x in np.asarray(values, dtype=np.float32).ravel()]


class Wander:
    """Uniform actions, each held for three steps."""

    def __init__(self, task, width, seed):
        self.rng, self.width = np.random.default_rng(seed), width

    def __call__(self, step):
        if step % 3 == 0:
            self.action = self.rng.uniform(-1, 1, self.width)
        return self.action


class Seek(Wander):
    """A point straight to its goal, so that it leans on walls or arrives; an ant that kicks with all its strength."""

    def __init__(self, task, width, seed):
        super().__init__(task, width, seed)
        self.task = task

    def __call__(self, step):
        noise = super().__call__(step)
        if isinstance(self.task, Maze) and self.task.point:
            return np.clip(2 * self.task.toward_goal() + 0.3 * noise, -1, 1)
        return np.sign(noise)


def physics(env):
    """The state after a reset, as plain data."""
    target = mujoco.mj_name2id(env.model, mujoco.mjtObj.mjOBJ_GEOM, "target")
    changes = []
    if target >= 0:
        value = env.model.geom_pos[target].tolist()
        changes.append(dict(field="geom_pos", name="target", index=target, value=value))
    fields = ["qpos", "qvel", "act", "qacc_warmstart", "mocap_pos"]
    return {name: getattr(env.data, name).ravel().tolist() for name in fields} | dict(model_changes=changes)


def episode(task, seed, policy, place=None):
    np.random.seed(seed)
    first = task.reset(seed=seed)
    if place is not None:
        task.env.set_xy(np.array(task.env.cur_goal_xy) + place)
        task.previous = task.env.get_xy()
        first = task.observation()
    record = dict(seed=seed) | physics(task.env)
    record |= dict(first_obs=short(first), actions=[], observations=[], rewards=[], success=[])
    choose = policy(task, task.env.action_space.shape[0], seed)
    for step in range(STEPS if place is None else STEPS // 4):
        action = np.round(choose(step), 3).astype(np.float32)
        observation, reward, success = task.step(action)
        record["actions"].append(short(action))
        record["observations"].append(short(observation))
        record["rewards"].append(float(reward))
        record["success"].append(success)
    return record | dict(score=task.score(sum(record["rewards"]), record["success"][-1]))


def moments(task, seed):
    np.random.seed(seed)
    rows = [task.reset(seed=seed)] + [task.reset() for _ in range(RESETS - 1)]
    rows = np.array(rows)
    return dict(
        count=RESETS, mean=short(rows.mean(0)), std=short(rows.std(0)), min=short(rows.min(0)), max=short(rows.max(0))
    )


def write(path, entries):
    with open(path, "w") as file:
        lines = [f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in entries.items()]
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


def main():
    folder = sys.argv[1]
    traces = {}
    for name, make in OGBENCH.items():
        task = make()
        episodes = [episode(task, 1, Wander), episode(task, 2, Seek)]
        if isinstance(task, Maze):
            # Beside the goal: success from the first step on, until the agent drifts away.
            episodes.append(episode(task, 3, Wander, place=np.array([0.2, -0.1])))
        traces[name] = episodes
        print(name, [e["score"] for e in episodes], [sum(e["success"]) for e in episodes], file=sys.stderr)
    write(os.path.join(folder, "ogbench.json"), traces)
    makers = OGBENCH | {name: lambda id=id: Gym(id) for name, id in GYM.items()}
    write(os.path.join(folder, "resets.json"), {name: moments(make(), 7) for name, make in makers.items()})


if __name__ == "__main__":
    main()
