//! `./x setup` on a scratch copy of the checkout: whatever stops it, nothing half-installed looks done.
//!
//! The wheels here are small ones of our own, which pip finds in a folder; no network is used.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// What the pins of a scratch checkout unpack, relative to `.native`.
const UNPACKED: [&str; 3] =
    ["libtorch/lib/libtorch_cpu.so", "mujoco/lib/libmujoco.so.3", "nvidia/cu13/lib/libcudart.so.13"];

/// A copy of what the set-up consists of, with `.native` empty and a folder of wheels beside it.
struct Checkout {
    folder: TempDir,
}

impl Checkout {
    fn new() -> Self {
        let checkout = Self { folder: tempfile::tempdir().unwrap() };
        let from = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["setup", ".cargo", "wheels", "src"] {
            fs::create_dir(checkout.path(folder)).unwrap();
        }
        for file in ["x", "setup/native.py", "setup/rustc", ".cargo/config.toml", "build.rs", "Cargo.toml"] {
            fs::copy(from.join(file), checkout.path(file)).unwrap();
        }
        checkout
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Makes the wheel `name==version` whose every library holds `content`; gives its hash.
    fn add_wheel(&self, name: &str, version: &str, content: &str) -> String {
        let file = self.path(&format!("wheels/{name}-{version}-py3-none-any.whl"));
        let script = r#"
import sys, zipfile
file, name, version, content = sys.argv[1:]
with zipfile.ZipFile(file, "w") as wheel:
    for library in ("torch_cpu.so", "mujoco.so.3", "cudart.so.13"):
        wheel.writestr(f"{name}/lib{library}", content)
    wheel.writestr(f"{name}/include/a/b.h", content)
    info = f"{name}-{version}.dist-info"
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", "")
"#;
        let status = Command::new("python3").args(["-c", script]).arg(&file).args([name, version, content]).status();
        assert!(status.unwrap().success());
        hex(&fs::read(file).unwrap())
    }

    /// Pins one wheel for libtorch and one, left out on a CPU, that stands for CUDA's.
    fn pin(&self, version: &str, sha256: &str, cuda_sha256: &str) {
        let pins = format!(
            "[torch]\nwheel = fake_torch=={version}\nsha256 = {sha256}\nunpack =\n    \
             fake_torch/libtorch_cpu.so -> libtorch/lib/\n    fake_torch/*.so.3 -> mujoco/lib/\n    \
             fake_torch/include/ -> libtorch/include/\n    fake_torch/libcudart.so.13 -> nvidia/cu13/lib/\n\
             link = mujoco/lib/libmujoco.so -> libmujoco.so.3\nwrite = libtorch/lib/libtorch.so: INPUT(libtorch_cpu.so)\n\
             [cuda]\nonly = gpu\nwheel = fake_cuda==1.0\nsha256 = {cuda_sha256}\n\
             unpack = fake_cuda/libtorch_cpu.so -> libtorch/cuda/\n"
        );
        fs::write(self.path("setup/wheels.ini"), pins).unwrap();
    }

    /// A checkout whose pins are right and whose wheels can be had.
    fn ready_to_set_up() -> Self {
        let checkout = Self::new();
        let torch = checkout.add_wheel("fake_torch", "1.0", "1.0");
        let cuda = checkout.add_wheel("fake_cuda", "1.0", "1.0");
        checkout.pin("1.0", &torch, &cuda);
        checkout
    }

    /// A command in the checkout, without what cargo set for this test, pip bound to the folder of wheels.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        for name in ["LIBTORCH", "MUJOCO_DYNAMIC_LINK_DIR", "CARGO_TARGET_DIR", "RUSTC_WORKSPACE_WRAPPER"] {
            command.env_remove(name);
        }
        command.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", self.path("wheels"));
        command
    }

    fn x(&self, arguments: &[&str]) -> Output {
        self.command("./x").args(arguments).output().unwrap()
    }

    /// Whether a `.native` claims to hold the present pins, judged as `x` and `build.rs` do: by the stamp.
    fn claims_to_be_done(&self, native: &str) -> bool {
        let pins = hex(&fs::read(self.path("setup/wheels.ini")).unwrap());
        fs::read_to_string(self.path(native).join("stamp")).is_ok_and(|stamp| stamp.starts_with(&pins))
    }

    /// Whether all that the pins unpack is there, of the wheel that holds `content`.
    fn holds(&self, native: &str, content: &str) -> bool {
        let native = self.path(native);
        UNPACKED.iter().all(|path| fs::read_to_string(native.join(path)).is_ok_and(|text| text == content))
            && native.join("mujoco/lib/libmujoco.so").exists()
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The one line that a failure says.
fn sentence(output: &Output) -> String {
    let stderr = stderr(output);
    let lines: Vec<_> = stderr.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 1, "one sentence, not:\n{stderr}");
    lines[0].to_owned()
}

#[test]
fn a_set_up_checkout_is_set_up_again_in_no_time() {
    let checkout = Checkout::ready_to_set_up();
    let first = checkout.x(&["setup", "--cpu"]);
    assert!(first.status.success(), "{}", stderr(&first));
    assert!(checkout.claims_to_be_done(".native") && checkout.holds(".native", "1.0"));
    fs::remove_dir_all(checkout.path("wheels")).unwrap();
    let fastest = (0..5).map(|_| {
        let start = Instant::now();
        assert!(checkout.x(&["setup"]).status.success(), "needs nothing fetched");
        start.elapsed()
    });
    let fastest = fastest.min().unwrap();
    assert!(fastest < Duration::from_millis(300), "took {fastest:?}");
}

#[test]
fn the_gpu_part_comes_and_goes_with_the_choice() {
    let checkout = Checkout::ready_to_set_up();
    let cuda = checkout.path(".native/libtorch/cuda");
    for (choice, expected) in [("--cpu", false), ("--gpu", true), ("--cpu", false)] {
        let output = checkout.x(&["setup", choice]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(cuda.exists(), expected, "after {choice}");
        assert!(checkout.x(&["setup"]).status.success());
        assert_eq!(cuda.exists(), expected, "the choice {choice} is remembered");
    }
}

#[test]
fn a_deleted_library_is_missed_and_brought_back() {
    let checkout = Checkout::ready_to_set_up();
    assert!(checkout.x(&["setup", "--cpu"]).status.success());
    fs::remove_file(checkout.path(".native/libtorch/lib/libtorch_cpu.so")).unwrap();
    assert!(!checkout.x(&["doctor"]).status.success());
    assert!(checkout.x(&["setup"]).status.success());
    assert!(checkout.holds(".native", "1.0"));
}

#[test]
fn a_wheel_with_another_hash_is_refused_in_one_sentence() {
    let checkout = Checkout::ready_to_set_up();
    let other = hex(b"another file");
    checkout.pin("1.0", &other, &other);
    let output = checkout.x(&["setup", "--cpu"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(sentence(&output).contains("SHA-256 differs"));
    assert!(!checkout.path(".native/stamp").exists() && !checkout.path(".native/libtorch").exists());
}

#[test]
fn a_wheel_that_cannot_be_had_is_named_in_one_sentence() {
    let checkout = Checkout::ready_to_set_up();
    fs::remove_dir_all(checkout.path("wheels")).unwrap();
    let output = checkout.x(&["setup", "--cpu"]);
    assert_eq!(output.status.code(), Some(1));
    let sentence = sentence(&output);
    assert!(sentence.contains("fake_torch==1.0") && sentence.contains("./x setup"), "{sentence}");
    assert!(!checkout.claims_to_be_done(".native"));
}

/// Ends the set-up, as `kill -9` would, just before its n-th change to the disk, for every n, both on an empty
/// checkout and on one that holds an older version. What each leaves is kept in `killed/n`, the last one being whole.
#[test]
fn a_set_up_killed_before_any_of_its_writes_never_looks_done() {
    let script = r#"
import os, runpy, shutil, sys

def run(left):
    os.sync = lambda: None  # a killed process loses nothing of what it wrote
    changes = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink"}
    def before(event, arguments):
        nonlocal left
        if event in changes or event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            left -= 1
            if left < 0:
                os._exit(9)
    sys.addaudithook(before)
    sys.argv = ["native.py", "cpu", "auto"]
    runpy.run_path("setup/native.py", run_name="__main__")

os.mkdir("killed")
n, code = 0, 9
while code == 9:
    shutil.copytree("before", ".native", symlinks=True)
    child = os.fork()
    if child == 0:
        try:
            run(n)
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitpid(child, 0)[1] >> 8
    os.rename(".native", f"killed/{n}")
    n += 1
sys.exit(code)
"#;
    for upgrade in [false, true] {
        let checkout = Checkout::ready_to_set_up();
        let new = checkout.add_wheel("fake_torch", "2.0", "2.0");
        if upgrade {
            assert!(checkout.x(&["setup", "--cpu"]).status.success());
        }
        checkout.pin("2.0", &new, &new);
        let wheel = "fake_torch-2.0-py3-none-any.whl";
        fs::create_dir_all(checkout.path(".native/download")).unwrap();
        fs::copy(checkout.path("wheels").join(wheel), checkout.path(".native/download").join(wheel)).unwrap();
        fs::rename(checkout.path(".native"), checkout.path("before")).unwrap();

        let runs = checkout.command("python3").args(["-c", script]).output().unwrap();
        assert!(runs.status.success(), "{}", stderr(&runs));
        let runs = fs::read_dir(checkout.path("killed")).unwrap().count();
        assert!(runs > 20, "a set-up makes more than {runs} changes to the disk");
        for n in 0..runs {
            let native = format!("killed/{n}");
            let done = checkout.claims_to_be_done(&native);
            assert!(!done || checkout.holds(&native, "2.0"), "looks done, killed before write {n}, upgrade: {upgrade}");
            let old = checkout.path(&native).join("stamp").exists() && !done;
            assert!(!old || checkout.holds(&native, "1.0"), "an old stamp lies, killed before write {n}");
        }
        assert!(checkout.claims_to_be_done(&format!("killed/{}", runs - 1)), "the last one was not killed");
    }
}

/// The same from outside and at any moment, pip included.
#[test]
fn a_set_up_killed_at_any_time_goes_on_at_the_next() {
    let checkout = Checkout::ready_to_set_up();
    for milliseconds in [20, 80, 150, 250, 400, 600, 900] {
        let mut set_up = checkout.command("python3");
        set_up.args(["setup/native.py", "cpu", "auto"]).stdout(Stdio::null());
        let mut run = set_up.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        run.kill().unwrap();
        run.wait().unwrap();
        assert!(!checkout.claims_to_be_done(".native") || checkout.holds(".native", "1.0"), "after {milliseconds} ms");
    }
    let output = checkout.x(&["setup", "--cpu"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(checkout.holds(".native", "1.0"));
    let leftovers = fs::read_dir(checkout.path(".native/download")).unwrap().count();
    assert_eq!(leftovers, 0, "what was half-done is cleared away");
}

#[test]
fn two_set_ups_at_once_take_turns() {
    let checkout = Checkout::ready_to_set_up();
    let both = [(); 2].map(|()| {
        checkout.command("./x").args(["setup", "--cpu"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    for run in both {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    assert!(checkout.holds(".native", "1.0"));
}

#[test]
fn misuse_gets_the_usage_and_exit_code_2() {
    let checkout = Checkout::ready_to_set_up();
    for arguments in [&["nonsense"][..], &["setup", "--tpu"], &["doctor", "now"]] {
        let output = checkout.x(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).starts_with("usage: ./x run"));
    }
    assert!(!checkout.path(".native").exists());
}

/// Only what a bare machine has on its PATH, less some programs, plus some made up.
fn bare_path(checkout: &Checkout, without: &[&str], scripts: &[(&str, &str)]) -> PathBuf {
    let bin = checkout.path("bin");
    fs::create_dir(&bin).unwrap();
    for program in fs::read_dir("/usr/bin").unwrap() {
        let program = program.unwrap();
        let name = program.file_name();
        if !without.iter().chain(scripts.iter().map(|(script, _)| script)).any(|other| name == *other) {
            symlink(program.path(), bin.join(name)).unwrap();
        }
    }
    for (name, text) in scripts {
        fs::write(bin.join(name), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    bin
}

#[test]
fn without_rust_it_says_how_to_get_it() {
    let checkout = Checkout::ready_to_set_up();
    let bin = bare_path(&checkout, &["cargo"], &[]);
    let output = checkout.command("./x").arg("setup").env("PATH", bin).env("HOME", "/nowhere").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(sentence(&output).contains("rustup"));
}

#[test]
fn an_old_rust_is_named() {
    let checkout = Checkout::ready_to_set_up();
    let bin = bare_path(&checkout, &[], &[("cargo", "echo cargo 1.80.0")]);
    let output = checkout.command("./x").arg("setup").env("PATH", bin).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(sentence(&output).contains("Rust 1.80.0 is too old"));
}

#[test]
fn without_the_right_to_install_it_prints_the_line_to_run() {
    let checkout = Checkout::ready_to_set_up();
    assert!(checkout.x(&["setup", "--cpu"]).status.success());
    let fakes = [("id", "echo 1000"), ("apt-get", "exit 1"), ("cargo", "echo cargo 9.9.9")];
    let bin = bare_path(&checkout, &["Xvfb", "sudo"], &fakes);
    let output = checkout.command("./x").arg("setup").env("PATH", bin).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let sentence = sentence(&output);
    assert!(sentence.contains("apt-get install -y") && sentence.contains("xvfb"), "{sentence}");
}

/// The scratch package has the real features and build script and no dependencies, so the build takes no time.
#[test]
fn a_build_without_native_says_in_one_sentence_to_set_up() {
    let checkout = Checkout::new();
    let manifest = "[package]\nname = \"scratch\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
                    [features]\ndefault = [\"learn\", \"mujoco\"]\nlearn = []\nmujoco = []\nkernels = []\n";
    fs::write(checkout.path("Cargo.toml"), manifest).unwrap();
    fs::write(checkout.path("src/lib.rs"), "").unwrap();
    let build = |arguments: &[&str], wrapped: bool| {
        let mut cargo = checkout.command(env!("CARGO"));
        cargo.args(["check", "--quiet", "--offline"]).args(arguments);
        if !wrapped {
            cargo.env("RUSTC_WORKSPACE_WRAPPER", "");
        }
        cargo.output().unwrap()
    };
    let says = |output: &Output| stderr(output).lines().take(3).filter(|line| line.contains("run ./x setup")).count();
    for (arguments, wrapped) in [(&[][..], true), (&[], false), (&["--no-default-features", "--features=learn"], true)]
    {
        let output = build(arguments, wrapped);
        assert!(!output.status.success());
        assert_eq!(says(&output), 1, "{}", stderr(&output));
    }
    let output = build(&["--no-default-features"], true);
    assert!(output.status.success(), "needs no libtorch: {}", stderr(&output));
    // Once it is set up, the refusal is not remembered.
    let native = checkout.path(".native");
    for file in ["stamp", "libtorch/lib/libtorch_cpu.so", "mujoco/lib/libmujoco.so"] {
        fs::create_dir_all(native.join(file).parent().unwrap()).unwrap();
        fs::write(native.join(file), "").unwrap();
    }
    let output = build(&[], true);
    assert!(output.status.success(), "{}", stderr(&output));
}
