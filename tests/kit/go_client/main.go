// A Go client that meets a fault: one request, and whatever Go says of it.
// Arguments: address, server name, version, roots, chain, key; chain and key are - to present nothing.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
)

func main() {
	address, name, version, roots, chain, key := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6]
	pem, err := os.ReadFile(roots)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: pool, ServerName: name, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}
	if version == "1.3" {
		config.MinVersion, config.MaxVersion = tls.VersionTLS13, tls.VersionTLS13
	}
	if chain != "-" {
		pair, err := tls.LoadX509KeyPair(chain, key)
		if err != nil {
			fmt.Println(err)
			return
		}
		config.Certificates = []tls.Certificate{pair}
	}
	connection, err := tls.Dial("tcp", address, config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer connection.Close()
	fmt.Fprintf(connection, "GET / HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n", name)
	if _, err := io.ReadAll(connection); err != nil {
		fmt.Println(err)
	}
}
