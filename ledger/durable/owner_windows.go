package durable

// SameOwner has nothing to do: a file has its directory's permissions.
func SameOwner(string, string, ...string) error { return nil }
