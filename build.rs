//! Tells the linker where libtorch and MuJoCo lie at run time, and compiles Newt's fused CPU kernels.

use std::path::{Path, PathBuf};
use std::{env, process};

fn main() {
    if env::var_os("CARGO_FEATURE_LEARN").is_some() {
        let libtorch = native("LIBTORCH");
        require(libtorch.parent(), &libtorch.join("lib/libtorch_cpu.so"));
        add_rpath(&libtorch.join("lib"));
        #[cfg(feature = "kernels")]
        compile_newt_kernels(&libtorch);
    }
    if env::var_os("CARGO_FEATURE_MUJOCO").is_some() {
        let lib = native("MUJOCO_DYNAMIC_LINK_DIR");
        require(lib.ancestors().nth(2), &lib.join("libmujoco.so"));
        add_rpath(&lib);
        // The stock models of the tasks are unpacked beside the library.
        let models = lib.ancestors().nth(2).unwrap_or(&lib).join("models");
        println!("cargo::rustc-env=TERRARIUM_MODELS={}", models.display());
    }
}

/// The folder that `.cargo/config.toml`, or the user's environment, names.
fn native(variable: &str) -> PathBuf {
    println!("cargo::rerun-if-env-changed={variable}");
    match env::var_os(variable) {
        Some(folder) => PathBuf::from(folder),
        None => fail(&format!("{variable} is not set: build inside the checkout, whose .cargo/config.toml sets it")),
    }
}

/// Ends the build unless `library` is there, and all of the set-up with it where `./x setup` made the folder.
fn require(set_up: Option<&Path>, library: &Path) {
    let stamp = set_up.filter(|folder| folder.ends_with(".native")).map(|folder| folder.join("stamp"));
    for path in stamp.iter().map(PathBuf::as_path).chain([library]) {
        println!("cargo::rerun-if-changed={}", path.display());
        if !path.exists() {
            fail(&format!("libtorch and MuJoCo are not set up ({} is missing): run ./x setup", path.display()));
        }
    }
}

/// Lets the binary, the tests and the benches start with no LD_LIBRARY_PATH.
fn add_rpath(folder: &Path) {
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", folder.display());
}

fn fail(sentence: &str) -> ! {
    println!("cargo::error={sentence}.");
    process::exit(1);
}

/// Compiles `src/newt/kernels/cpu.cpp` against the libtorch that `LIBTORCH` names.
#[cfg(feature = "kernels")]
fn compile_newt_kernels(libtorch: &Path) {
    const SOURCE: &str = "src/newt/kernels/cpu.cpp";
    println!("cargo::rerun-if-changed={SOURCE}");
    let include = libtorch.join("include");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file(SOURCE)
        .include(include.join("torch/csrc/api/include"))
        .include(&include)
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .opt_level(3)
        .flag("-fopenmp")
        // Sums may be taken in any order and errors of the math library are not looked at, so loops vectorize;
        // infinities and NaN keep their meaning.
        .flag("-fno-math-errno")
        .flag("-fno-trapping-math")
        .flag("-fno-signed-zeros")
        .flag("-fassociative-math")
        .flag_if_supported("-Wno-psabi")
        .warnings(false)
        .compile("newt_kernels");
    println!("cargo::rustc-link-lib=dylib=gomp");
}
