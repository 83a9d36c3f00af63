package node

import (
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
// test, since it stays locked, and the mounts with it.
func newDisks(t *testing.T) *disks {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		t.Skipf("no mount namespace: %v", err)
	}
	d := &disks{t: t, dir: t.TempDir()}
	d.sh(`mount --make-rprivate /`)
	t.Cleanup(func() { d.try(`for m in */; do umount -l $m; done`) })
	return d
}

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

// same checks that the directory's identity is first, without a word.
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

// TestIdentityOnDisks: on disk images of each kind, copies by any tool get an identity
// of their own, and a remount, a move or a shrunk disk costs none.
func TestIdentityOnDisks(t *testing.T) {
	for _, disk := range []struct{ name, make, shrink string }{
		{"ext4", "mkfs.ext4 -q -I 256", "e2fsck -fp img >&2 || [ $? = 1 ]; resize2fs img 160M"},
		{"ext4 without birth times", "mkfs.ext4 -q -I 128", ""},
		{"btrfs", "mkfs.btrfs -q", ""},
		{"xfs", "mkfs.xfs -q", ""},
	} {
		t.Run(disk.name, func(t *testing.T) {
			d := newDisks(t)
			if out, err := d.try("truncate -s 320M img; mkdir m; " + disk.make + " img; mount -o loop img m"); err != nil {
				t.Skipf("no such disk: %v\n%s", err, out)
			}
			// Ballast takes the inodes that a shrink keeps.
			d.sh(`mkdir m/ballast; cd m/ballast; for i in $(seq 1 5000); do : > $i; done`)
			first := identityOf(t, filepath.Join(d.dir, "m/a/node.db"), false)
			for _, tool := range []string{"cp -a m/a/node.db m/copy", "cp -r m/a/node.db m/copy",
				"mkdir m/copy; tar cC m/a/node.db . | tar xpC m/copy", "cp -al m/a/node.db m/copy; cd m/copy; cp -p node.key x; mv x node.key"} {
				d.sh(tool)
				d.copied("m/copy", tool, first)
				d.sh("rm -r m/copy")
			}
			d.sh("umount m; mount -o loop img m")
			d.same("m/a/node.db", "a remount", first)
			d.sh("mv m/a/node.db m/a/other.db; mv m/a m/b")
			d.same("m/b/other.db", "a move", first)
			if disk.shrink != "" {
				d.sh("rm -r m/ballast; umount m; " + disk.shrink + "; mount -o loop img m")
				d.same("m/b/other.db", "a shrunk disk", first)
			}
		})
	}
}

// TestIdentityOnOverlay: a remount of an overlay, a first change of a file from the
// lower layer, and a key that a container's start mounts or links anew cost no
// identity. A directory in an image that was started before is a copy.
func TestIdentityOnOverlay(t *testing.T) {
	d := newDisks(t)
	const mount = `mount -t overlay -o lowerdir=all/lower,upperdir=all/upper,workdir=all/work overlay m`
	d.sh(`mkdir all m; mount -t tmpfs tmpfs all; mkdir all/lower all/upper all/work all/secret`)
	if out, err := d.try(mount); err != nil {
		t.Skipf("no overlay: %v\n%s", err, out)
	}
	first := identityOf(t, filepath.Join(d.dir, "m/new.db"), false)
	d.sh(`umount m; ` + mount)
	d.same("m/new.db", "a remount", first)
	d.sh(`cp -a m/new.db m/copy.db`)
	d.copied("m/copy.db", "cp -a", first)

	d.sh(`umount m; cp -a all/upper/new.db all/lower/image.db; cp -a all/lower/image.db all/lower/unmarked.db; rm all/lower/unmarked.db/node.key.mark; ` + mount)
	d.copied("m/image.db", "a container's start from the image", first)
	d.same("m/unmarked.db", "a first start with marks", first)
	d.sh(`chown 0:0 m/unmarked.db/node.key; chmod 400 m/unmarked.db/node.key`)
	d.same("m/unmarked.db", "chown", first)
	d.sh(`umount m; ` + mount)
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
