//! The real window on a virtual display: it draws, moves, and answers keys and clicks as a person makes them.
#![cfg(all(feature = "view", target_os = "linux"))]

mod common;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, IoSlice};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::skip;
use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt, ImageFormat, InputFocus, Window};
use x11rb::rust_connection::RustConnection;

const SIZE: (u16, u16) = (900, 600);
/// The part that shows instances only: left, top, width, height, px.
const STAGE: (u16, u16, u16, u16) = (12, 56, 400, 480);
/// Starting and drawing on a busy machine without a GPU takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Ends the process with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn terrarium(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_terrarium"));
    command
        .args(arguments)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .env_remove("XDG_RUNTIME_DIR");
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A display of our own; `None` where Xvfb is not installed.
fn start_display() -> Option<(Process, String)> {
    let started = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else {
        skip("Xvfb is not installed (package xvfb)");
        return None;
    };
    let mut number = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut number).expect("Xvfb says its number");
    Some((Process(child), format!(":{}", number.trim())))
}

/// The window and the display it is on, as a person sees and uses them.
struct Screen {
    connection: RustConnection,
    root: Window,
    window: Window,
}

impl Screen {
    /// Waits for the window. `None` when the app ended because nothing can draw here.
    fn find(display: &str, app: &mut Process) -> Option<Self> {
        let (connection, screen) = RustConnection::connect(Some(display)).expect("the display answers");
        let root = connection.setup().roots[screen].root;
        let start = Instant::now();
        loop {
            if let Some(status) = app.0.try_wait().expect("it can be asked") {
                let mut said = String::new();
                let mut stderr = BufReader::new(app.0.stderr.take().expect("it is piped"));
                while stderr.read_line(&mut said).expect("readable") > 0 {}
                assert!(said.contains("mesa-vulkan-drivers"), "the app ended with {status}: {said}");
                skip("no Vulkan driver (package mesa-vulkan-drivers)");
                return None;
            }
            let children = connection.query_tree(root).expect("sent").reply().expect("a tree").children;
            let found = children.into_iter().find(|&child| title(&connection, child).starts_with("Terrarium"));
            if let Some(window) = found {
                // What a window manager would do.
                connection.set_input_focus(InputFocus::PARENT, window, x11rb::CURRENT_TIME).expect("sent");
                connection.flush().expect("sent");
                return Some(Self { connection, root, window });
            }
            assert!(start.elapsed() < PATIENCE, "no window appeared");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Steps taken so far and whether the clock is paused, as the title says.
    fn state(&self) -> (u64, bool) {
        let title = title(&self.connection, self.window);
        let steps = title.split_whitespace().find_map(|word| word.parse().ok()).unwrap_or(0);
        (steps, title.ends_with("paused"))
    }

    fn wait_for(&self, what: &str, done: impl Fn(u64, bool) -> bool) -> u64 {
        let start = Instant::now();
        loop {
            let (steps, paused) = self.state();
            if done(steps, paused) {
                return steps;
            }
            assert!(start.elapsed() < PATIENCE, "{what} did not happen: {steps} steps, paused: {paused}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The pixels of a part of the window.
    fn picture(&self, (x, y, width, height): (u16, u16, u16, u16)) -> Vec<u8> {
        let (x, y) = (x as i16, y as i16);
        let cookie = self.connection.get_image(ImageFormat::Z_PIXMAP, self.window, x, y, width, height, u32::MAX);
        cookie.expect("sent").reply().expect("a picture").data
    }

    /// An input event by the XTEST extension: the server treats it as coming from a device.
    fn fake_input(&self, kind: u8, detail: u8, x: i16, y: i16) {
        let extension = self.connection.query_extension(b"XTEST").expect("sent").reply().expect("an answer");
        let mut request = [0; 36];
        request[..4].copy_from_slice(&[extension.major_opcode, 2, 9, 0]);
        request[4..6].copy_from_slice(&[kind, detail]);
        request[12..16].copy_from_slice(&self.root.to_ne_bytes());
        request[24..26].copy_from_slice(&x.to_ne_bytes());
        request[26..28].copy_from_slice(&y.to_ne_bytes());
        self.connection.send_request_without_reply(&[IoSlice::new(&request)], Vec::new()).expect("sent");
        self.connection.flush().expect("sent");
        thread::sleep(Duration::from_millis(120));
    }

    fn press(&self, key: u32) {
        let setup = self.connection.setup();
        let count = setup.max_keycode - setup.min_keycode + 1;
        let mapping =
            self.connection.get_keyboard_mapping(setup.min_keycode, count).expect("sent").reply().expect("keys");
        let per_code = usize::from(mapping.keysyms_per_keycode);
        let place = mapping.keysyms.chunks(per_code).position(|symbols| symbols[0] == key).expect("the key exists");
        let code = setup.min_keycode + place as u8;
        self.fake_input(2, code, 0, 0);
        self.fake_input(3, code, 0, 0);
    }

    fn click(&self, x: i16, y: i16) {
        self.fake_input(6, 0, x, y);
        self.fake_input(4, 1, 0, 0);
        self.fake_input(5, 1, 0, 0);
    }
}

fn title(connection: &RustConnection, window: Window) -> String {
    let cookie = connection.get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 1024);
    // A window may vanish while it is looked at.
    let name = cookie.expect("sent").reply().map(|reply| reply.value).unwrap_or_default();
    String::from_utf8_lossy(&name).into_owned()
}

/// The share of pixels that differ.
fn difference(a: &[u8], b: &[u8]) -> f64 {
    let differing = a.chunks_exact(4).zip(b.chunks_exact(4)).filter(|(a, b)| a[..3] != b[..3]).count();
    differing as f64 / (a.len() / 4) as f64
}

fn draws_something(rgb: &[u8], bytes_per_pixel: usize) -> bool {
    let mut counts: HashMap<&[u8], usize> = HashMap::new();
    for pixel in rgb.chunks_exact(bytes_per_pixel) {
        *counts.entry(&pixel[..3]).or_default() += 1;
    }
    let most = counts.values().copied().max().unwrap_or(0) as f64 / (rgb.len() / bytes_per_pixel) as f64;
    counts.len() > 30 && most < 0.95
}

#[test]
fn the_window_draws_moves_and_answers_keys_and_clicks() {
    let Some((_display, name)) = start_display() else {
        return;
    };
    let size = format!("{}x{}", SIZE.0, SIZE.1);
    let mut command = terrarium(&["watch", "--task", "pygame-pong", "--instances", "4", "--size", &size]);
    let mut app = Process(command.env("DISPLAY", &name).stderr(Stdio::piped()).spawn().expect("the binary starts"));
    let Some(screen) = Screen::find(&name, &mut app) else {
        return;
    };

    let early = screen.wait_for("stepping", |steps, _| steps > 40);
    // On a busy machine the driver may still be at it.
    let start = Instant::now();
    while !draws_something(&screen.picture((0, 0, SIZE.0, SIZE.1)), 4) {
        assert!(start.elapsed() < PATIENCE, "the window stays empty");
        thread::sleep(Duration::from_millis(100));
    }
    let first = screen.picture(STAGE);
    screen.wait_for("stepping on", |steps, _| steps > early + 40);
    assert!(difference(&first, &screen.picture(STAGE)) > 0.0005, "the picture stands still while instances step");

    screen.press(u32::from(b' '));
    let paused = screen.wait_for("the pause", |_, paused| paused);
    thread::sleep(Duration::from_millis(500));
    let still = screen.picture(STAGE);
    thread::sleep(Duration::from_millis(1000));
    assert_eq!(screen.state(), (paused, true), "steps go on in a pause");
    assert_eq!(difference(&still, &screen.picture(STAGE)), 0.0, "the picture changes in a pause");

    screen.press(u32::from(b'.'));
    screen.wait_for("the single step", |steps, _| steps > paused);
    thread::sleep(Duration::from_millis(600));
    assert_eq!(screen.state(), (paused + 4, true), "one step of each of four instances");

    let grid = screen.picture(STAGE);
    screen.click(180, 150);
    let start = Instant::now();
    while difference(&grid, &screen.picture(STAGE)) < 0.05 {
        assert!(start.elapsed() < PATIENCE, "a click on the selected instance does not enlarge it");
        thread::sleep(Duration::from_millis(100));
    }
    screen.press(0xff1b);
    let start = Instant::now();
    while difference(&grid, &screen.picture(STAGE)) > 0.01 {
        assert!(start.elapsed() < PATIENCE, "Escape does not lead back to the grid");
        thread::sleep(Duration::from_millis(100));
    }

    let before = paused + 4;
    screen.press(u32::from(b' '));
    screen.wait_for("going on", |steps, paused| !paused && steps > before + 40);
    assert!(app.0.try_wait().expect("it can be asked").is_none(), "the app is still there");
}

#[test]
fn a_picture_needs_no_display_and_is_the_same_for_one_seed() {
    let folder = tempfile::tempdir().expect("a folder");
    let take = |name: &str, seed: &str| -> Option<Vec<u8>> {
        let file = folder.path().join(name);
        let path = file.to_str().expect("a plain path");
        let arguments = ["watch", "--task", "pygame-pong", "--instances", "2", "--size", "900x600", "--seed", seed];
        let output =
            terrarium(&arguments).args(["--screenshot", path, "--after", "40frames"]).output().expect("it runs");
        if stderr(&output).contains("mesa-vulkan-drivers") {
            skip("no Vulkan driver (package mesa-vulkan-drivers)");
            return None;
        }
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(!stderr(&output).contains("XDG_RUNTIME_DIR"), "a picture needs no display: {}", stderr(&output));
        let picture = image::open(&file).expect("a PNG").to_rgb8();
        assert_eq!(picture.dimensions(), (900, 600));
        Some(picture.into_raw())
    };
    let Some(first) = take("first.png", "1") else {
        return;
    };
    assert!(draws_something(&first, 3), "the picture is empty");
    assert!(Some(&first) == take("again.png", "1").as_ref(), "equal seeds, different pictures");
    assert!(Some(&first) != take("other.png", "2").as_ref(), "different seeds, equal pictures");
    assert_eq!(files_in(folder.path()), ["again.png", "first.png", "other.png"], "something half-written was left");
}

#[test]
fn what_cannot_be_shown_is_said_in_one_sentence() {
    let arguments = ["watch", "--task", "pygame-pong"];
    let refused = |command: &mut Command, wanted: &str| {
        let output = command.output().expect("it runs");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(wanted), "{said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
    };
    refused(&mut terrarium(&arguments), "--screenshot");
    refused(terrarium(&arguments).env("DISPLAY", ":4711"), ":4711");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("picture.png");
    let path = file.to_str().expect("a plain path");
    let mut picture = terrarium(&arguments);
    picture.args(["--screenshot", path]).env("WGPU_BACKEND", "vulkan");
    refused(
        picture.env("VK_DRIVER_FILES", "/nonexistent").env("VK_ICD_FILENAMES", "/nonexistent"),
        "mesa-vulkan-drivers",
    );
    assert!(files_in(folder.path()).is_empty());
}

fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("readable");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
