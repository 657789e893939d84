// sunlight_client reads a static CT log with Sunlight's client, which
// authenticates every tile against the checkpoint, and parses every
// certificate: what a Go program of today does without an index.
//
//	sunlight_client -url URL -key KEY.DER
package main

import (
	"context"
	"crypto/x509"
	"flag"
	"fmt"
	"log"
	"os"

	"filippo.io/sunlight"
)

func main() {
	url := flag.String("url", "", "the log's monitoring prefix")
	keyFile := flag.String("key", "", "its public key, DER")
	flag.Parse()
	der, err := os.ReadFile(*keyFile)
	if err != nil {
		log.Fatal(err)
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		log.Fatal(err)
	}
	client, err := sunlight.NewClient(&sunlight.ClientConfig{
		MonitoringPrefix:          *url,
		PublicKey:                 key,
		UserAgent:                 "sanct-bench (+https://sanct.invalid)",
		AllowRFC6962ArchivalLeafs: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	checkpoint, _, err := client.Checkpoint(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	var entries, names, unparsed int
	for _, entry := range client.Entries(context.Background(), checkpoint.Tree, 0) {
		der := entry.Certificate
		if entry.IsPrecert {
			der = entry.PreCertificate
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			unparsed++
			continue
		}
		entries++
		names += len(certificate.DNSNames) + len(certificate.IPAddresses)
	}
	if err := client.Err(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d entries, %d names, %d unparsed of %d\n", entries, names, unparsed, checkpoint.N)
}
