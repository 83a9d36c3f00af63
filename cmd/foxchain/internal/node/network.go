package node

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/p2p"
)

const maxNetworkFile = 4 << 20 // bytes; some 60,000 builders

// LoadNetwork returns the network of --network. That is a file's if the text has a slash
// or ends in .json, else a network with that name and the built-in rules.
func LoadNetwork(nameOrFile string) (*ledger.Network, error) {
	ext := strings.ToLower(filepath.Ext(nameOrFile))
	if strings.ContainsAny(nameOrFile, `/\`) || ext == ".json" {
		n, err := ReadNetwork(nameOrFile)
		if err != nil {
			return nil, fmt.Errorf("--network: %w", err)
		}
		return n, nil
	}
	if slices.Contains([]string{".yaml", ".yml", ".toml", ".txt", ".conf", ".cfg", ".ini", ".xml", ".jsonc", ".json5", ".jsonl", ".key"}, ext) {
		return nil, fmt.Errorf("--network is %q: that looks like a file, and would be the name of a network. A network's file is JSON; to use this one, write ./%s; for a network of that name, choose one without %s", nameOrFile, nameOrFile, ext)
	}
	n, err := ledger.NamedNetwork(nameOrFile)
	if err != nil {
		return nil, fmt.Errorf("--network is %q: %w", nameOrFile, err)
	}
	if _, err := ReadNetwork(nameOrFile); err == nil {
		return nil, fmt.Errorf("--network is %q: a file of that name describes a network. To use it, write ./%s; for the built-in rules, move the file away", nameOrFile, nameOrFile)
	}
	return n, nil
}

// ReadNetwork reads and checks the file of a network.
func ReadNetwork(file string) (*ledger.Network, error) {
	const looks = `Such a file is {"name": "office"} or more, as foxchain network init makes it. It must be the same on every node of the network`
	text, err := ReadText(file, maxNetworkFile)
	if err != nil {
		return nil, term.Hint(fmt.Errorf("read the network's file: %w", err), looks)
	}
	n, err := ledger.ParseNetwork(text)
	if err != nil {
		return nil, term.Hint(fmt.Errorf("%s: %w", file, err), looks)
	}
	return n, nil
}

// LoadPSK reads a pre-shared key in the swarm.key format. It returns nil if no file is
// named.
func LoadPSK(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	const sameKey = "The file must be the same on every node of a private network: copy it from one of them, or make the first one: foxchain psk new FILE"
	text, err := ReadText(file, maxKeyFile)
	if err != nil {
		return nil, term.Hint(fmt.Errorf("--psk: %w", err), sameKey)
	}
	key, err := p2p.ParsePSK(text)
	if err != nil {
		return nil, term.Hint(fmt.Errorf("--psk: %s: %w", file, err), sameKey)
	}
	return key, nil
}
