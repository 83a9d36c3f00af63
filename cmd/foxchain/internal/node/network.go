package node

import (
	"fmt"
	"os"
	"strings"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/p2p"
)

const maxNetworkFile = 4 << 20 // bytes; some 60,000 builders

// LoadNetwork reads what --network names: a file where the text has a path's
// slash or ends with .json, else the name of a network with the built-in rules.
func LoadNetwork(nameOrFile string) (*ledger.Network, error) {
	if strings.ContainsAny(nameOrFile, `/\`) || strings.HasSuffix(nameOrFile, ".json") {
		return readNetwork(nameOrFile)
	}
	n, err := ledger.NamedNetwork(nameOrFile)
	if err != nil {
		return nil, fmt.Errorf("--network is %q: %w", nameOrFile, err)
	}
	if _, err := readNetwork(nameOrFile); err == nil {
		return nil, fmt.Errorf("--network is %q: there is a network's file of that name, write ./%s to use it; for the built-in rules under that name, move the file away", nameOrFile, nameOrFile)
	}
	return n, nil
}

func readNetwork(file string) (*ledger.Network, error) {
	const looks = `It looks like {"name": "office"}; ledger/README.md has a whole one. Every node of the network needs the same`
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, term.Hint(fmt.Errorf("--network: read the network's file: %w", err), looks)
	case !info.Mode().IsRegular() || info.Size() > maxNetworkFile:
		return nil, term.Hint(fmt.Errorf("--network: %s is not a network's file: that is a JSON text of at most %d bytes", file, maxNetworkFile), looks)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--network: read the network's file: %w", err)
	}
	n, err := ledger.ParseNetwork(text)
	if err != nil {
		return nil, term.Hint(fmt.Errorf("--network: %s: %w", file, err), looks)
	}
	return n, nil
}

// loadPSK reads a pre-shared key in the common swarm.key format; nil when file
// is empty.
func loadPSK(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	const sameKey = "The file is the same on every node of a private network: copy it from one of them"
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, term.Hint(fmt.Errorf("--psk: %w", err), sameKey)
	}
	key, err := p2p.ParsePSK(text)
	if err != nil {
		return nil, term.Hint(fmt.Errorf("--psk: %s: %w", file, err), sameKey)
	}
	return key, nil
}
