package tokens

// sameOwner has nothing to do: a file has its directory's permissions.
func sameOwner(string, ...string) error { return nil }
