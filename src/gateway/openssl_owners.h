#pragma once

#include <openssl/bio.h>
#include <openssl/x509.h>

#include <memory>

namespace weft::gateway {

/// Frees an object of OpenSSL with the function that is meant for it.
template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freer<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;

}  // namespace weft::gateway
