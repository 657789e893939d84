// boringssl_probe.c - compiled once by the Makefile: is it BoringSSL?

#include <openssl/base.h>

#ifndef OPENSSL_IS_BORINGSSL
#error "these are OpenSSL's headers, not BoringSSL's"
#endif
