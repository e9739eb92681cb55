//! Which device tensors live on: chosen by config, checked, and said; never a silent fallback.
#![expect(
    unsafe_code,
    reason = "the GPU half of libtorch is opened at run time, and the allocator is tuned, through C"
)]

use std::path::PathBuf;

use tch::{Cuda, Device};

use super::DeviceChoice;

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
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
    /// TensorFloat-32 is asked for on the CPU.
    #[error("tf32=true has no meaning on the cpu: TensorFloat-32 is a number format of NVIDIA GPUs; use tf32=false")]
    NoTf32,
}

impl DeviceChoice {
    /// The device, and a line that says what was chosen and why.
    ///
    /// # Errors
    ///
    /// [`DeviceError`] when a GPU is asked for and cannot be used. `auto` never fails: it says why it takes the CPU.
    pub fn open(self) -> Result<(Device, String), DeviceError> {
        keep_memory();
        let cpu = |why: &str| Ok((Device::Cpu, format!("device: cpu{why}")));
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

/// Whether float32 matrices may be multiplied as TensorFloat-32 on this GPU (10 bits of mantissa, several times faster).
///
/// # Errors
///
/// [`DeviceError::NoTf32`] when that is asked for on the CPU.
pub fn allow_tf32(allowed: bool, device: Device) -> Result<(), DeviceError> {
    if allowed && !device.is_cuda() {
        return Err(DeviceError::NoTf32);
    }
    // SAFETY: sets two process-wide flags of libtorch.
    unsafe { newt_allow_tf32(allowed) }
    Ok(())
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

    #[test]
    fn tf32_is_refused_on_the_cpu() {
        let message = allow_tf32(true, Device::Cpu).expect_err("no GPU").to_string();
        assert!(message.contains("tf32=false"), "{message}");
        allow_tf32(false, Device::Cpu).expect("nothing is asked for");
    }
}
