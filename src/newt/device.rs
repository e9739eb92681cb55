//! Which device tensors live on: chosen by config, checked, and said; never a silent fallback.
#![expect(
    unsafe_code,
    reason = "the GPU half of libtorch is opened at run time, and the allocator is tuned, through C"
)]

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use tch::{Cuda, Device};

/// What `device=` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU if there is one that answers, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// This GPU.
    Cuda(usize),
}

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Not a device's name.
    #[error("device={0} is not a device; use device=auto, device=cpu, device=cuda or device=cuda:N")]
    Unknown(String),
    /// The GPU half of libtorch is not installed.
    #[error(
        "device={asked} needs the GPU half of libtorch, which is not at {path}; run `./x setup --gpu`, or use device=cpu"
    )]
    NotInstalled {
        /// What was asked for.
        asked: DeviceChoice,
        /// Where it is looked for.
        path: PathBuf,
    },
    /// The GPU half of libtorch does not load.
    #[error("device={asked}: {path} does not load ({reason}); run `./x setup --gpu` again, or use device=cpu")]
    NotLoadable {
        /// What was asked for.
        asked: DeviceChoice,
        /// Where it is.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// No such GPU.
    #[error("device={asked}: {found} usable NVIDIA GPU(s) here; use one below that number, or device=cpu")]
    Absent {
        /// What was asked for.
        asked: DeviceChoice,
        /// GPUs that answer.
        found: i64,
    },
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(i) => write!(f, "cuda:{i}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        match name {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => name
                .strip_prefix("cuda:")
                .and_then(|i| i.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| DeviceError::Unknown(name.to_owned())),
        }
    }
}

impl DeviceChoice {
    /// The device, and a line that says what was chosen and why.
    ///
    /// # Errors
    ///
    /// [`DeviceError`] when a GPU is asked for and cannot be used. `auto` never fails: it says why it takes the CPU.
    pub fn open(self) -> Result<(Device, String), DeviceError> {
        keep_memory();
        let cpu = |why: &str| {
            let line = format!("device: cpu, {} threads{why}", tch::get_num_threads());
            Ok((Device::Cpu, line))
        };
        match self {
            Self::Cpu => cpu(""),
            Self::Auto => match open_cuda(Self::Cuda(0), 0) {
                Ok(line) => Ok((Device::Cuda(0), line)),
                Err(DeviceError::NotInstalled { .. }) => cpu(" (auto: the GPU half of libtorch is not installed)"),
                Err(error) => cpu(&format!(" (auto: {error})")),
            },
            Self::Cuda(index) => open_cuda(self, index).map(|line| (Device::Cuda(index), line)),
        }
    }
}

/// Matrix products of float32 on a GPU: whether TensorFloat-32 may be used (about 10 bits of mantissa, several times faster).
pub fn allow_tf32(allowed: bool) {
    // SAFETY: sets two process-wide flags of libtorch.
    unsafe { newt_allow_tf32(allowed) }
}

/// Does this device multiply bfloat16 faster than float32?
pub fn multiplies_bf16_fast(device: Device) -> bool {
    match device {
        Device::Cuda(_) => true,
        #[cfg(target_arch = "x86_64")]
        Device::Cpu => is_x86_feature_detected!("avx512bf16"),
        _ => false,
    }
}

unsafe extern "C" {
    fn newt_allow_tf32(allowed: bool);
    fn newt_keep_memory();
    fn newt_library_dir() -> *const std::ffi::c_char;
}

/// Keeps freed tensors' memory for the next ones: giving large blocks back to the system each time costs more than the
/// arithmetic on them.
fn keep_memory() {
    // SAFETY: installs an allocator once; memory from the one before is still freed by it.
    unsafe { newt_keep_memory() }
}

/// The folder that the running libtorch was loaded from.
fn library_dir() -> PathBuf {
    // SAFETY: a static string.
    let dir = unsafe { std::ffi::CStr::from_ptr(newt_library_dir()) };
    PathBuf::from(dir.to_string_lossy().into_owned())
}

/// Opens the GPU half of libtorch beside the half that is linked, and checks that the GPU answers.
fn open_cuda(asked: DeviceChoice, index: usize) -> Result<String, DeviceError> {
    if !Cuda::is_available() {
        let path = library_dir().join("../cuda/libtorch_cuda.so");
        if !path.exists() {
            return Err(DeviceError::NotInstalled { asked, path });
        }
        let flags = libloading::os::unix::RTLD_NOW | libloading::os::unix::RTLD_GLOBAL;
        // SAFETY: the library belongs to the linked libtorch; its initializers register GPU kernels with it.
        let library = unsafe { libloading::os::unix::Library::open(Some(&path), flags) };
        match library {
            Ok(library) => std::mem::forget(library), // registered kernels must stay
            Err(error) => return Err(DeviceError::NotLoadable { asked, path, reason: error.to_string() }),
        }
    }
    let found = if Cuda::is_available() { Cuda::device_count() } else { 0 };
    if index as i64 >= found {
        return Err(DeviceError::Absent { asked, found });
    }
    Ok(format!("device: cuda:{index} of {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_and_wrong_ones_explained() {
        assert_eq!("auto".parse::<DeviceChoice>().expect("a device"), DeviceChoice::Auto);
        assert_eq!("cuda".parse::<DeviceChoice>().expect("a device"), DeviceChoice::Cuda(0));
        assert_eq!("cuda:3".parse::<DeviceChoice>().expect("a device"), DeviceChoice::Cuda(3));
        for wrong in ["gpu", "cuda:", "cuda:x", "CPU"] {
            let message = wrong.parse::<DeviceChoice>().expect_err("not a device").to_string();
            assert!(message.contains(wrong) && message.contains("device=cpu"), "{message}");
        }
    }

    #[test]
    fn an_absent_gpu_is_an_error_and_auto_says_what_it_takes() {
        if Cuda::is_available() || library_dir().join("../cuda/libtorch_cuda.so").exists() {
            eprintln!("skipped: this machine has the GPU half of libtorch");
            return;
        }
        let message = DeviceChoice::Cuda(0).open().expect_err("no GPU here").to_string();
        assert!(message.contains("./x setup --gpu"), "{message}");
        let (device, line) = DeviceChoice::Auto.open().expect("auto never fails");
        assert_eq!(device, Device::Cpu);
        assert!(line.contains("cpu") && line.contains("auto"), "{line}");
    }
}
