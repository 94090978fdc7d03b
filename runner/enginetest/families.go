package enginetest

// families are the kinds of socket, as linux/socket.h numbers and names them.
var families = map[int64]string{
	0: "unspec", 3: "ax25", 4: "ipx", 5: "appletalk", 6: "netrom", 7: "bridge", 8: "atmpvc", 9: "x25", 11: "rose", 12: "decnet", 13: "netbeui",
	14: "security", 15: "key", 17: "packet", 18: "ash", 19: "econet", 20: "atmsvc", 21: "rds", 22: "sna", 23: "irda", 24: "pppox", 25: "wanpipe",
	26: "llc", 27: "ib", 28: "mpls", 29: "can", 30: "tipc", 31: "bluetooth", 32: "iucv", 33: "rxrpc", 34: "isdn", 35: "phonet", 36: "ieee802154",
	37: "caif", 38: "alg", 39: "nfc", 40: "vsock", 41: "kcm", 42: "qipcrtr", 43: "smc", 44: "xdp", 45: "mctp",
}

// familyName is the row of a family.
func familyName(n int64) string {
	if name, ok := families[n]; ok {
		return "socket of family " + name
	}
	return "socket of a younger family"
}
