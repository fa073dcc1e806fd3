package doctor

import (
	"fmt"
	"net/netip"
	"strings"
)

// words joins a list as people say it.
func words(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// addressesShown bounds how many addresses a sentence names.
const addressesShown = 4

func addresses(ips []netip.Addr) string {
	var list []string
	for _, ip := range ips[:min(len(ips), addressesShown)] {
		list = append(list, ip.String())
	}
	if more := len(ips) - addressesShown; more > 0 {
		list = append(list, fmt.Sprintf("%d more", more))
	}
	return words(list)
}

// count is a number of things that form their plural with an s.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
