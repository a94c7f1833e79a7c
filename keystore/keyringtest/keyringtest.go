// Package keyringtest gives a test a D-Bus session of its own and a real
// GNOME Keyring on it. It never touches the session, the keyring or the home
// folder of whoever runs the test.
//
// Start at [Start].
package keyringtest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// Start gives t a private session with an unlocked, empty keyring. The
// variables that lead there are set in t's environment, which child processes
// inherit, so t can't be parallel.
//
// Without the programs it needs it skips t and says what to install; with
// DRAWBRIDGE_TEST_ALL=1 that is a failure.
func Start(t testing.TB) *Keyring {
	t.Helper()
	Need(t, "gnome-keyring-daemon", "gnome-keyring")
	return begin(t, StartBus(t))
}

// StartWithoutPassword gives t the same with a keyring that has no password, as
// people make it on machines that log in by themselves. It is locked until
// somebody asks for it.
func StartWithoutPassword(t testing.TB) *Keyring {
	t.Helper()
	Need(t, "gnome-keyring-daemon", "gnome-keyring")
	bus := StartBus(t)
	folder := filepath.Join(os.Getenv("HOME"), ".local", "share", "keyrings")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	// What Seahorse writes for an empty password: the items are in clear.
	const empty = "[keyring]\ndisplay-name=Login\nctime=0\nmtime=0\nlock-on-idle=false\nlock-after=false\n"
	if err := os.WriteFile(filepath.Join(folder, "login.keyring"), []byte(empty), 0o600); err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command("gnome-keyring-daemon", "--foreground", "--components=secrets")
	start(t, daemon)
	waitFor(t, "the keyring", func() bool { return ready(bus) })
	return &Keyring{bus: bus}
}

// Locked reports whether the keyring says that it is locked.
func (k *Keyring) Locked(t testing.TB) bool {
	t.Helper()
	locked, err := k.bus.Object(name, collection).GetProperty("org.freedesktop.Secret.Collection.Locked")
	if err != nil {
		t.Fatal(err)
	}
	return locked.Value() == true
}

func begin(t testing.TB, bus *dbus.Conn) *Keyring {
	t.Helper()
	daemon := exec.Command("gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets")
	// The password of the new keyring. A newline would be part of it, and
	// with nothing at all no keyring would be made.
	daemon.Stdin = strings.NewReader("pw")
	start(t, daemon)
	waitFor(t, "the keyring", func() bool { return ready(bus) })
	return &Keyring{bus: bus}
}

const (
	name       = "org.freedesktop.secrets"
	path       = dbus.ObjectPath("/org/freedesktop/secrets")
	service    = "org.freedesktop.Secret.Service"
	collection = dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
	probe      = service + ".Collections"
)

// Keyring is a running GNOME Keyring.
type Keyring struct{ bus *dbus.Conn }

// Lock locks the keyring. There is no display to unlock it from.
func (k *Keyring) Lock(t testing.TB) {
	t.Helper()
	var locked []dbus.ObjectPath
	var prompt dbus.ObjectPath
	err := k.bus.Object(name, path).Call(service+".Lock", 0, []dbus.ObjectPath{collection}).Store(&locked, &prompt)
	if err != nil || len(locked) != 1 {
		t.Fatalf("lock the keyring: %v, locked %v", err, locked)
	}
}

// Remove deletes the whole keyring, as a person can in its settings.
func (k *Keyring) Remove(t testing.TB) {
	t.Helper()
	var prompt dbus.ObjectPath
	err := k.bus.Object(name, collection).Call("org.freedesktop.Secret.Collection.Delete", 0).Store(&prompt)
	if err != nil || prompt != "/" {
		t.Fatalf("delete the keyring: %v, prompt %v", err, prompt)
	}
}

// StartBus gives t a private session bus with nothing on it, a home folder,
// and no display, and returns a connection to the bus.
func StartBus(t testing.TB) *dbus.Conn {
	t.Helper()
	Isolate(t)
	Need(t, "dbus-daemon", "dbus")
	// A configuration of our own: the usual one would start what is
	// installed on this machine when a test asks for what is missing.
	file := filepath.Join(os.Getenv("HOME"), "bus.conf")
	conf := fmt.Sprintf(`<busconfig><type>session</type><listen>unix:dir=%s</listen>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`,
		os.Getenv("XDG_RUNTIME_DIR"))
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command("dbus-daemon", "--config-file="+file, "--nofork", "--print-address=1")
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, daemon)
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("dbus-daemon printed no address: %v", err)
	}
	address = strings.TrimSpace(address)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
	bus, err := dbus.Connect(address)
	if err != nil {
		t.Fatalf("connect to the bus: %v", err)
	}
	t.Cleanup(func() { _ = bus.Close() })
	return bus
}

// Isolate gives t an empty home folder and takes away session bus and
// display: DBUS_SESSION_BUS_ADDRESS leads nowhere. Unset it would not do, as
// the bus of the logged-in user is then found by user id.
func Isolate(t testing.TB) {
	t.Helper()
	// Not t.TempDir: a socket's path may have 107 bytes.
	home, err := os.MkdirTemp("", "db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	t.Setenv("HOME", home)
	t.Setenv("XDG_RUNTIME_DIR", home)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(home, "nothing"))
	for _, v := range []string{"XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "DISPLAY", "WAYLAND_DISPLAY", "GNOME_KEYRING_CONTROL"} {
		t.Setenv(v, "") // so that the old value comes back
		_ = os.Unsetenv(v)
	}
}

// Need skips t if program is not installed, naming the Debian package that
// has it; with DRAWBRIDGE_TEST_ALL=1 it fails t instead.
func Need(t testing.TB, program, pkg string) {
	t.Helper()
	_, err := exec.LookPath(program)
	if err == nil && runtime.GOOS == "linux" {
		return
	}
	says := fmt.Sprintf("%s is missing: apt-get install -y %s", program, pkg)
	if runtime.GOOS != "linux" {
		says = "needs Linux: a keychain of one's own can't be had on " + runtime.GOOS
	}
	if os.Getenv("DRAWBRIDGE_TEST_ALL") == "1" {
		t.Fatal(says)
	}
	t.Skip(says)
}

// start runs cmd until t ends.
func start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// ready reports whether the secret service shows its keyring.
func ready(bus *dbus.Conn) bool {
	all, err := bus.Object(name, path).GetProperty(probe)
	return err == nil && strings.Contains(all.String(), string(collection))
}

// waitFor asks done until it says yes. There is no signal to wait for before
// the service is there.
func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	ctx := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx:
			t.Fatalf("%s did not come up in 10 s", what)
		case <-tick.C:
		}
	}
}
