//! Headless OpenGL contexts, opened at run time.
//!
//! Nothing is linked: a machine without graphics libraries still runs every task, it only draws no pictures. EGL draws on
//! a GPU, and on the CPU through Mesa; OSMesa draws on the CPU. EGL is taken where it is installed, OSMesa otherwise;
//! `MUJOCO_GL=egl` or `osmesa` decides it, and `MUJOCO_EGL_DEVICE_ID` which of EGL's devices, as in MuJoCo's own programs.
#![expect(unsafe_code, reason = "OpenGL is reached through C libraries that are opened at run time")]

use std::env;
use std::error::Error as _;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr::null_mut;
use std::sync::OnceLock;

use libloading::Library;

/// Why no picture can be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlError {
    /// The variable holds something else.
    #[error("MUJOCO_GL={value} is no way to draw without a window; use MUJOCO_GL=egl or MUJOCO_GL=osmesa, or unset it")]
    Unknown {
        /// What it holds.
        value: String,
    },
    /// A library is not installed, or does not load.
    #[error("pictures of MuJoCo tasks need {library} ({reason}); install it (Debian: apt-get install {packages})")]
    Library {
        /// Its file.
        library: &'static str,
        /// What the loader says.
        reason: String,
        /// Debian's packages.
        packages: &'static str,
    },
    /// The library is there, but nothing that draws.
    #[error(
        "pictures of MuJoCo tasks need a device, and EGL finds none that draws{chosen}; install a driver (Debian: \
         apt-get install {EGL_PACKAGES}; for an NVIDIA GPU its own with EGL), or use MUJOCO_GL=osmesa"
    )]
    NoDevice {
        /// Which device was asked for, if one was.
        chosen: String,
    },
    /// A context is refused.
    #[error("pictures of MuJoCo tasks need an OpenGL context, and {interface} makes none ({problem})")]
    Context {
        /// EGL or OSMesa.
        interface: &'static str,
        /// What it says.
        problem: String,
    },
}

const EGL_LIBRARY: &str = "libEGL.so.1";
const EGL_PACKAGES: &str = "libegl1 libgl1-mesa-dri";
/// By the names that Mesa's releases gave it.
const OSMESA_LIBRARIES: [&str; 2] = ["libOSMesa.so.8", "libOSMesa.so.6"];
const OSMESA_PACKAGES: &str = "libosmesa6";

/// Whoever draws on this machine; lives as long as the process.
pub(super) struct Gl {
    interface: Interface,
    /// Name of what draws, as OpenGL gives it.
    renderer: String,
}

enum Interface {
    Egl(Egl),
    OsMesa(OsMesa),
}

/// An OpenGL context. It is used by one thread at a time, each of which makes it current first.
pub(super) struct Context {
    gl: &'static Gl,
    raw: *mut c_void,
    /// OSMesa wants a picture to draw on, though all drawing goes to buffers within the context.
    target: Box<[u32; 64]>,
}

/// A context that is current on this thread, until dropped.
pub(super) struct Current<'a>(&'a Context);

impl Gl {
    /// Finds out, once a process, who draws here.
    ///
    /// # Errors
    ///
    /// [`GlError`] when nobody does.
    pub(super) fn open() -> Result<&'static Self, GlError> {
        static GL: OnceLock<Result<Gl, GlError>> = OnceLock::new();
        GL.get_or_init(|| Self::find(env::var("MUJOCO_GL").ok().as_deref())).as_ref().map_err(Clone::clone)
    }

    fn find(chosen: Option<&str>) -> Result<Self, GlError> {
        match chosen.map(str::trim).map(str::to_ascii_lowercase).as_deref() {
            Some("egl") => Egl::open(),
            Some("osmesa") => OsMesa::open(),
            // MuJoCo asks the library that it finds loaded, so OSMesa is no way out once EGL is in the process.
            None | Some("") => match Egl::open() {
                Err(absent @ GlError::Library { .. }) => OsMesa::open().map_err(|_| absent),
                found => found,
            },
            Some(_) => Err(GlError::Unknown { value: chosen.unwrap_or_default().to_owned() }),
        }
    }

    /// Does the CPU draw?
    pub(super) fn is_software(&self) -> bool {
        ["llvmpipe", "softpipe", "swrast", "Software"].iter().any(|name| self.renderer.contains(name))
    }

    /// A new context.
    ///
    /// # Errors
    ///
    /// [`GlError::Context`] when there can be no more.
    pub(super) fn context(&'static self) -> Result<Context, GlError> {
        let raw = match &self.interface {
            Interface::Egl(egl) => egl.context(egl.device),
            Interface::OsMesa(osmesa) => osmesa.context(),
        }?;
        let context = Context { gl: self, raw, target: Box::new([0; 64]) };
        context.bind().map(|()| drop(Current(&context)))?;
        Ok(context)
    }
}

impl Context {
    /// Makes this context the one that MuJoCo draws with on this thread. It must be current on no other.
    ///
    /// # Panics
    ///
    /// When the driver refuses what it did when the context was made: it has failed for good then.
    pub(super) fn make_current(&mut self) -> Current<'_> {
        if let Err(error) = self.bind() {
            panic!("{error}");
        }
        Current(self)
    }

    fn bind(&self) -> Result<(), GlError> {
        match &self.gl.interface {
            Interface::Egl(egl) => egl.bind(egl.device, self.raw),
            Interface::OsMesa(osmesa) => osmesa.bind(self.raw, &self.target),
        }
    }
}

// SAFETY: a context may be current on any thread, one at a time; both need `&mut` or the guard that borrows it.
unsafe impl Send for Context {}

impl Drop for Current<'_> {
    fn drop(&mut self) {
        match &self.0.gl.interface {
            Interface::Egl(egl) => egl.unbind(egl.device),
            Interface::OsMesa(osmesa) => osmesa.unbind(),
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by this interface, current on no thread, destroyed once.
        unsafe {
            match &self.gl.interface {
                Interface::Egl(egl) => {
                    (egl.destroy_context)(egl.device.display, self.raw);
                }
                Interface::OsMesa(osmesa) => (osmesa.destroy_context)(self.raw),
            }
        }
    }
}

type EglInt = i32;
type GetProcAddress = unsafe extern "C" fn(*const c_char) -> *mut c_void;

/// EGL's calls, as far as they are needed, and the device in use.
struct Egl {
    get_error: unsafe extern "C" fn() -> EglInt,
    get_proc_address: GetProcAddress,
    query_api: unsafe extern "C" fn() -> c_uint,
    bind_api: unsafe extern "C" fn(c_uint) -> c_uint,
    initialize: unsafe extern "C" fn(*mut c_void, *mut EglInt, *mut EglInt) -> c_uint,
    choose_config: unsafe extern "C" fn(*mut c_void, *const EglInt, *mut *mut c_void, EglInt, *mut EglInt) -> c_uint,
    create_context: unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_void, *const EglInt) -> *mut c_void,
    destroy_context: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_uint,
    make_current: unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_void, *mut c_void) -> c_uint,
    device: EglDevice,
}

/// A display that is initialized, and the kind of context to make on it.
#[derive(Clone, Copy)]
struct EglDevice {
    display: *mut c_void,
    config: *mut c_void,
}

// SAFETY: EGL may be called from any thread; displays and configurations are names that are never written through.
unsafe impl Send for Egl {}
// SAFETY: as above.
unsafe impl Sync for Egl {}

const EGL_OPENGL_API: c_uint = 0x30A2;
const EGL_PLATFORM_DEVICE: c_uint = 0x313F;
const EGL_PLATFORM_SURFACELESS: c_uint = 0x31DD;
const EGL_DEVICES: usize = 64;
/// Eight bits a channel, a depth buffer, desktop OpenGL.
const EGL_CONFIG: [EglInt; 17] = [
    0x3024, 8, // red
    0x3023, 8, // green
    0x3022, 8, // blue
    0x3021, 8, // alpha
    0x3025, 24, // depth
    0x3026, 8, // stencil
    0x3033, 1, // surface type: pbuffer
    0x3040, 8,      // renderable type: OpenGL
    0x3038, // none
];

impl Egl {
    fn open() -> Result<Gl, GlError> {
        let absent = |reason: String| GlError::Library { library: EGL_LIBRARY, reason, packages: EGL_PACKAGES };
        let library = load(&[EGL_LIBRARY]).map_err(absent)?;
        // SAFETY: the types are those of EGL's specification; the library stays loaded.
        let mut egl = unsafe {
            Self {
                get_error: symbol(library, c"eglGetError").map_err(absent)?,
                get_proc_address: symbol(library, c"eglGetProcAddress").map_err(absent)?,
                query_api: symbol(library, c"eglQueryAPI").map_err(absent)?,
                bind_api: symbol(library, c"eglBindAPI").map_err(absent)?,
                initialize: symbol(library, c"eglInitialize").map_err(absent)?,
                choose_config: symbol(library, c"eglChooseConfig").map_err(absent)?,
                create_context: symbol(library, c"eglCreateContext").map_err(absent)?,
                destroy_context: symbol(library, c"eglDestroyContext").map_err(absent)?,
                make_current: symbol(library, c"eglMakeCurrent").map_err(absent)?,
                device: EglDevice { display: null_mut(), config: null_mut() },
            }
        };
        let (displays, chosen) = egl.displays();
        for display in displays {
            let Some(device) = egl.initialize(display) else { continue };
            let Ok(context) = egl.context(device) else { continue };
            let renderer = egl.bind(device, context).ok().and_then(|()| {
                let renderer = renderer(egl.get_proc_address);
                egl.unbind(device);
                renderer
            });
            // SAFETY: made above, current nowhere.
            unsafe { (egl.destroy_context)(display, context) };
            if let Some(renderer) = renderer {
                egl.device = device;
                return Ok(Gl { interface: Interface::Egl(egl), renderer });
            }
        }
        Err(GlError::NoDevice { chosen })
    }

    /// Displays to try, in EGL's order (GPUs come first), and the device that the user chose, in words.
    fn displays(&self) -> (Vec<*mut c_void>, String) {
        type QueryDevices = unsafe extern "C" fn(EglInt, *mut *mut c_void, *mut EglInt) -> c_uint;
        type GetPlatformDisplay = unsafe extern "C" fn(c_uint, *mut c_void, *const EglInt) -> *mut c_void;
        let mut devices = [null_mut(); EGL_DEVICES];
        let mut count = 0;
        // SAFETY: the types are those of the extensions, and a call that is absent is not made.
        unsafe {
            let query: Option<QueryDevices> = call(self.get_proc_address, c"eglQueryDevicesEXT");
            let display: Option<GetPlatformDisplay> = call(self.get_proc_address, c"eglGetPlatformDisplayEXT");
            let Some(display) = display else { return (Vec::new(), String::new()) };
            if let Some(query) = query {
                query(EGL_DEVICES as EglInt, devices.as_mut_ptr(), &raw mut count);
            }
            let devices = &devices[..count.clamp(0, EGL_DEVICES as EglInt) as usize];
            let of_device = |device: *mut c_void| display(EGL_PLATFORM_DEVICE, device, std::ptr::null());
            match env::var("MUJOCO_EGL_DEVICE_ID").ok().filter(|text| !text.trim().is_empty()) {
                Some(text) => {
                    let device = text.trim().parse().ok().and_then(|index: usize| devices.get(index));
                    let chosen = format!(" (MUJOCO_EGL_DEVICE_ID={text} of {} devices)", devices.len());
                    (device.into_iter().map(|&device| of_device(device)).collect(), chosen)
                }
                None => {
                    let surfaceless = display(EGL_PLATFORM_SURFACELESS, null_mut(), std::ptr::null());
                    (devices.iter().map(|&device| of_device(device)).chain([surfaceless]).collect(), String::new())
                }
            }
        }
    }

    fn initialize(&self, display: *mut c_void) -> Option<EglDevice> {
        let (mut config, mut count) = (null_mut(), 0);
        // SAFETY: all pointers are to live variables; a display that is none is refused by EGL.
        let fits = unsafe {
            !display.is_null()
                && (self.initialize)(display, null_mut(), null_mut()) != 0
                && (self.choose_config)(display, EGL_CONFIG.as_ptr(), &raw mut config, 1, &raw mut count) != 0
        };
        (fits && count > 0).then_some(EglDevice { display, config })
    }

    fn context(&self, device: EglDevice) -> Result<*mut c_void, GlError> {
        let _api = self.desktop_api();
        // SAFETY: display and configuration belong together.
        let context = unsafe { (self.create_context)(device.display, device.config, null_mut(), std::ptr::null()) };
        if context.is_null() { Err(self.refused()) } else { Ok(context) }
    }

    fn bind(&self, device: EglDevice, context: *mut c_void) -> Result<(), GlError> {
        let _api = self.desktop_api();
        // SAFETY: the context is of this display; drawing needs no surface.
        let bound = unsafe { (self.make_current)(device.display, null_mut(), null_mut(), context) };
        if bound == 0 { Err(self.refused()) } else { Ok(()) }
    }

    fn unbind(&self, device: EglDevice) {
        let _api = self.desktop_api();
        // SAFETY: no context is always allowed.
        unsafe { (self.make_current)(device.display, null_mut(), null_mut(), null_mut()) };
    }

    /// Chooses desktop OpenGL for the calls on this thread until dropped; a window in the same process may use another.
    fn desktop_api(&self) -> impl Drop + '_ {
        struct Restore<'a>(&'a Egl, c_uint);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                // SAFETY: an API that was bound before.
                unsafe { (self.0.bind_api)(self.1) };
            }
        }
        // SAFETY: no arguments but constants.
        let before = unsafe { (self.query_api)() };
        // SAFETY: as above.
        unsafe { (self.bind_api)(EGL_OPENGL_API) };
        Restore(self, before)
    }

    fn refused(&self) -> GlError {
        // SAFETY: no arguments.
        let code = unsafe { (self.get_error)() };
        GlError::Context { interface: "EGL", problem: format!("error {code:#x}") }
    }
}

/// OSMesa's calls, as far as they are needed.
struct OsMesa {
    create_context: unsafe extern "C" fn(c_uint, c_int, c_int, c_int, *mut c_void) -> *mut c_void,
    destroy_context: unsafe extern "C" fn(*mut c_void),
    make_current: unsafe extern "C" fn(*mut c_void, *mut c_void, c_uint, c_int, c_int) -> u8,
}

const GL_RGBA: c_uint = 0x1908;
const GL_UNSIGNED_BYTE: c_uint = 0x1401;
const GL_RENDERER: c_uint = 0x1F01;

impl OsMesa {
    fn open() -> Result<Gl, GlError> {
        let absent =
            |reason: String| GlError::Library { library: OSMESA_LIBRARIES[0], reason, packages: OSMESA_PACKAGES };
        let library = load(&OSMESA_LIBRARIES).map_err(absent)?;
        // SAFETY: the types are those of OSMesa's header; the library stays loaded.
        let (osmesa, get_proc_address) = unsafe {
            let osmesa = Self {
                create_context: symbol(library, c"OSMesaCreateContextExt").map_err(absent)?,
                destroy_context: symbol(library, c"OSMesaDestroyContext").map_err(absent)?,
                make_current: symbol(library, c"OSMesaMakeCurrent").map_err(absent)?,
            };
            (osmesa, symbol(library, c"OSMesaGetProcAddress").map_err(absent)?)
        };
        let context = osmesa.context()?;
        let renderer = osmesa.bind(context, &[0; 64]).map(|()| {
            let renderer = renderer(get_proc_address);
            osmesa.unbind();
            renderer
        });
        // SAFETY: made above, current nowhere.
        unsafe { (osmesa.destroy_context)(context) };
        let renderer = renderer?.unwrap_or_else(|| "OSMesa, Software".to_owned());
        Ok(Gl { interface: Interface::OsMesa(osmesa), renderer })
    }

    fn context(&self) -> Result<*mut c_void, GlError> {
        // SAFETY: plain numbers: depth 24, stencil 8, no accumulation buffer, nothing shared.
        let context = unsafe { (self.create_context)(GL_RGBA, 24, 8, 0, null_mut()) };
        let problem = || GlError::Context { interface: "OSMesa", problem: "no memory".to_owned() };
        if context.is_null() { Err(problem()) } else { Ok(context) }
    }

    fn bind(&self, context: *mut c_void, target: &[u32; 64]) -> Result<(), GlError> {
        let pixels = target.as_ptr().cast_mut().cast();
        // SAFETY: 8 by 8 pixels of four bytes; nothing is drawn on them, since drawing goes to framebuffer objects.
        let bound = unsafe { (self.make_current)(context, pixels, GL_UNSIGNED_BYTE, 8, 8) };
        let problem = || GlError::Context { interface: "OSMesa", problem: "it cannot be made current".to_owned() };
        if bound == 0 { Err(problem()) } else { Ok(()) }
    }

    fn unbind(&self) {
        // SAFETY: no context is always allowed.
        unsafe { (self.make_current)(null_mut(), null_mut(), 0, 0, 0) };
    }
}

/// Opens the first of `names` that is there, for the rest of the process.
fn load(names: &[&str]) -> Result<&'static Library, String> {
    let mut reason = String::new();
    for name in names {
        // SAFETY: the initializers of a graphics library are meant to run when it is opened.
        match unsafe { Library::new(*name) } {
            Ok(library) => return Ok(Box::leak(Box::new(library))),
            Err(error) => reason = what_the_loader_says(&error),
        }
    }
    Err(reason)
}

/// The cause below an error of `libloading`, which only names the call.
fn what_the_loader_says(error: &libloading::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// The function called `name`.
///
/// # Safety
///
/// `F` is its type.
unsafe fn symbol<F: Copy + 'static>(library: &'static Library, name: &CStr) -> Result<F, String> {
    // SAFETY: the caller's promise.
    unsafe { library.get::<F>(name.to_bytes_with_nul()) }
        .map(|found| *found)
        .map_err(|error| what_the_loader_says(&error))
}

/// The function called `name` that an interface hands out, if it has it.
///
/// # Safety
///
/// `F` is its type: a function pointer.
unsafe fn call<F: Copy>(get_proc_address: GetProcAddress, name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    // SAFETY: a name is a text.
    let found = unsafe { get_proc_address(name.as_ptr()) };
    // SAFETY: the caller's promise; both are one pointer wide.
    (!found.is_null()).then(|| unsafe { std::mem::transmute_copy(&found) })
}

/// Name of what draws in the current context.
fn renderer(get_proc_address: GetProcAddress) -> Option<String> {
    // SAFETY: OpenGL's type of this function.
    let get_string: unsafe extern "C" fn(c_uint) -> *const c_char = unsafe { call(get_proc_address, c"glGetString") }?;
    // SAFETY: a context is current; the text is static.
    let text = unsafe { get_string(GL_RENDERER) };
    // SAFETY: as above.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_way_to_draw_is_refused_by_name() {
        let error = Gl::find(Some("glfw")).err().expect("a window is no way to draw without one");
        assert!(error.to_string().contains("MUJOCO_GL=glfw") && error.to_string().contains("osmesa"), "{error}");
    }

    #[test]
    fn an_absent_library_is_named_with_its_package() {
        let reason = load(&["libterrarium-nowhere.so"]).expect_err("there is no such library");
        let error = GlError::Library { library: OSMESA_LIBRARIES[0], reason, packages: OSMESA_PACKAGES };
        let text = error.to_string();
        assert!(text.contains("libterrarium-nowhere.so") && text.contains("apt-get install libosmesa6"), "{text}");
    }
}
