package lab

import (
	"strings"
	"time"
)

// shortSpan returns a time span without its zeros: 2h, not 2h0m0s.
func shortSpan(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// lieText says how a node has lied about the block of a height.
func lieText(lie, node string, height uint64) Text {
	if lie == withhold {
		return both("%s announces block %d and keeps its transactions to itself", "%s 宣布了区块 %d，却不把其中的交易给任何人", node, height)
	}
	return both("%s changes an amount in block %d after it sealed it, and sends it", "%s 封好区块 %d 后改了其中一笔金额，再发出去", node, height)
}
