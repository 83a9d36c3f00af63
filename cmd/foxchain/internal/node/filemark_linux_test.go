package node

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A disks mounts file systems in a mount namespace of the test's own.
type disks struct {
	t   *testing.T
	dir string
}

// newDisks gives the thread of this test a mount namespace. The thread ends with the
// test, since it stays locked, and the mounts with it. Only a machine that is not the
// CI's may lack what this needs: root, tmpfs and overlay.
func newDisks(t *testing.T) *disks {
	runtime.LockOSThread()
	d := &disks{t: t, dir: t.TempDir()}
	err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS)
	if err == nil {
		_, err = d.try(`mount --make-rprivate /; mkdir all m; mount -t tmpfs tmpfs all; mkdir all/lower all/upper all/work all/secret; ` + mountOverlay)
	}
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("no mounts of its own: %v", err)
	} else if err != nil {
		t.Fatalf("CI must run this: no mounts of its own: %v", err)
	}
	t.Cleanup(func() { d.try(`for m in */; do umount -l $m; done`) })
	return d
}

const mountOverlay = `mount -t overlay -o lowerdir=all/lower,upperdir=all/upper,workdir=all/work overlay m`

func (d *disks) try(script string) ([]byte, error) {
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = d.dir
	return cmd.CombinedOutput()
}

func (d *disks) sh(script string) {
	d.t.Helper()
	if out, err := d.try(script); err != nil {
		d.t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// copy runs a script that copies a directory until the copy has a mark of its own, as
// copyDir does.
func (d *disks) copy(from, to, script string) {
	d.t.Helper()
	for d.sh(script); !ownMark(d.t, filepath.Join(d.dir, from), filepath.Join(d.dir, to)); d.sh(script) {
		d.sh("rm -r " + to)
	}
}

// same checks that the directory's identity is first, without a notice.
func (d *disks) same(dir, what string, first identity) {
	d.t.Helper()
	if id := identityOf(d.t, filepath.Join(d.dir, dir), false); !id.key.Equal(first.key) || id.notice != "" {
		d.t.Errorf("%s costs the identity: %q", what, id.notice)
	}
}

// copied checks that the directory has an identity of its own.
func (d *disks) copied(dir, what string, first identity) {
	d.t.Helper()
	if id := identityOf(d.t, filepath.Join(d.dir, dir), false); id.key.Equal(first.key) || id.notice == "" {
		d.t.Errorf("%s keeps the identity", what)
	}
}

// TestIdentityOnTmpfs checks that copies by any tool get an identity of their own, and
// that a remount or a move costs none.
func TestIdentityOnTmpfs(t *testing.T) {
	d := newDisks(t)
	first := identityOf(t, filepath.Join(d.dir, "all/a/node.db"), false)
	for _, tool := range []string{"cp -a all/a/node.db all/copy", "cp -r all/a/node.db all/copy",
		"mkdir all/copy; tar cC all/a/node.db . | tar xpC all/copy", "cp -al all/a/node.db all/copy; cd all/copy; cp -p node.key x; mv x node.key"} {
		d.copy("all/a/node.db", "all/copy", tool)
		d.copied("all/copy", tool, first)
		d.sh("rm -r all/copy")
	}
	d.sh("mount -o remount,size=64m all")
	d.same("all/a/node.db", "a remount", first)
	d.sh("mv all/a/node.db all/a/other.db; mv all/a all/b")
	d.same("all/b/other.db", "a move", first)
}

// TestIdentityOnOverlay checks that a remount of an overlay, a first change of a file
// from the lower layer, and a key that a container's start mounts or links anew cost no
// identity. A directory in an image that was started before is a copy.
func TestIdentityOnOverlay(t *testing.T) {
	d := newDisks(t)
	first := identityOf(t, filepath.Join(d.dir, "m/new.db"), false)
	d.sh(`umount m; ` + mountOverlay)
	d.same("m/new.db", "a remount", first)
	d.copy("m/new.db", "m/copy.db", `cp -a m/new.db m/copy.db`)
	d.copied("m/copy.db", "cp -a", first)

	d.sh(`umount m; cp -a all/upper/new.db all/lower/image.db; cp -a all/lower/image.db all/lower/unmarked.db; rm all/lower/unmarked.db/node.key.mark; ` + mountOverlay)
	d.copied("m/image.db", "a container's start from the image", first)
	d.same("m/unmarked.db", "a first start with marks", first)
	d.sh(`chown 0:0 m/unmarked.db/node.key; chmod 400 m/unmarked.db/node.key`)
	d.same("m/unmarked.db", "chown", first)
	d.sh(`umount m; ` + mountOverlay)
	d.same("m/unmarked.db", "a remount", first)

	for _, put := range []string{`mount --bind all/secret/node.key m/new.db/node.key`, `ln -sf $PWD/all/secret/node.key m/new.db/node.key`} {
		d.sh(`cp m/new.db/node.key all/secret/; rm m/new.db/node.key.mark`)
		for range 2 { // the secret is another file at each start
			d.sh(`cp -p all/secret/node.key all/secret/x; mv all/secret/x all/secret/node.key; touch m/new.db/node.key; ` + put)
			d.same("m/new.db", put, first)
			d.try(`umount m/new.db/node.key`)
		}
	}
}

// TestKeyOnReadOnlyDisk checks that a key that others may read and that cannot be
// changed, such as a container's secret, is read all the same.
func TestKeyOnReadOnlyDisk(t *testing.T) {
	d := newDisks(t)
	key, text := newKey(t)
	file := filepath.Join(d.dir, "all", "my.key")
	if err := os.WriteFile(file, text, 0o444); err != nil {
		t.Fatal(err)
	}
	d.sh(`umount m; mount -o remount,ro all`)
	if got, err := ReadKey(file, nil); err != nil || !got.Equal(key) {
		t.Errorf("%v", err)
	}
}
