//! Build steps: the fused CPU kernels of Newt.

fn main() {
    #[cfg(feature = "learn")]
    compile_newt_kernels();
}

/// Compiles `src/newt/kernels/cpu.cpp` against the libtorch that `LIBTORCH` names.
#[cfg(feature = "learn")]
fn compile_newt_kernels() {
    const SOURCE: &str = "src/newt/kernels/cpu.cpp";
    println!("cargo:rerun-if-changed={SOURCE}");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let libtorch = std::env::var("LIBTORCH").expect("LIBTORCH is set in .cargo/config.toml");
    let include = std::path::Path::new(&libtorch).join("include");
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
    println!("cargo:rustc-link-lib=dylib=gomp");
}
