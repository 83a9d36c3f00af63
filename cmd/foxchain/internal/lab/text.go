package lab

import "regexp"

// lieText returns how a node has lied about the block of a height.
func lieText(lie, node string, height uint64) Text {
	if lie == withhold {
		return both("%s announces block %d and keeps its transactions to itself", "%s 宣布了区块 %d，却不把其中的交易给任何人", node, height)
	}
	return both("%s changes an amount in block %d after it sealed it, and sends it", "%s 封好区块 %d 后改了其中一笔金额，再发出去", node, height)
}

// inChinese translates reports of the nodes from English, in the words of their pages.
var inChinese = []struct {
	form *regexp.Regexp
	zh   string
}{
	{regexp.MustCompile(`^sender holds (\S+) and needs (\S+) more$`), "发送方只有 $1，还差 $2"},
	{regexp.MustCompile(`^sender holds (\S+) and needs (\S+), may owe (\S+)$`), "发送方有 $1，最多可欠 $3，而需要 $2"},
	{regexp.MustCompile(`^receiver would hold more than .*`), "接收方的余额会超过账户上限"},
	{regexp.MustCompile(`^pool is full.*`), "交易池已满"},
	{regexp.MustCompile(`^another transaction with the id .*`), "已有另一笔相同 ID 的交易"},
	{regexp.MustCompile(`^(.*), and (\d+) transactions wait for money already.*`), "已有 $2 笔交易在等待余额"},
	{regexp.MustCompile(`^sent a body that is not block (\d+)'s \((\S+)\): its root is another$`), "它发来的交易不是区块 $1（$2）的：根不同"},
	{regexp.MustCompile(`^(sent|gossiped|answered|asked|has|does|numbered) .*`), "它发来了诚实节点不会发送的内容"},
}

// chinese returns a report of a node in Chinese, or unchanged if it has no translation.
func chinese(report string) string {
	for _, c := range inChinese {
		if c.form.MatchString(report) {
			return c.form.ReplaceAllString(report, c.zh)
		}
	}
	return report
}
