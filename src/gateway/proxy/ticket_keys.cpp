#include "gateway/proxy/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>

namespace weft::gateway {
namespace {

/// Where a connection has its TicketKeys.
int place() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

bool use_mac(EVP_MAC_CTX* mac, const TicketKeys::Key& key) {
  char digest[] = "SHA256";
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                             OSSL_PARAM_construct_end()};
  return EVP_MAC_init(mac, key.mac.data(), key.mac.size(), parameters) == 1;
}

/// SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 good, 0 no ticket (or not ours), -1 failed.
int make(TicketKeys& keys, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  auto key = keys.current(std::chrono::steady_clock::now());
  if (!key || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return 0;
  std::memcpy(name, key->name.data(), key->name.size());
  bool good = EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), iv) == 1;
  return good && use_mac(mac, *key) ? 1 : -1;
}

/// 2: good, and the client gets one that is made with a newer key.
int read(TicketKeys& keys, const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
         EVP_MAC_CTX* mac) {
  auto now = std::chrono::steady_clock::now();
  auto key = keys.find(std::span<const uint8_t, 16>(name, 16), now);
  if (!key) return 0;
  bool good = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), iv) == 1;
  if (!good || !use_mac(mac, *key)) return -1;
  return now - key->since < kTicketKeyUse ? 1 : 2;
}

int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
              int making) {
  auto* keys = static_cast<TicketKeys*>(SSL_get_ex_data(ssl, place()));
  if (!keys) return 0;
  return making ? make(*keys, name, iv, cipher, mac) : read(*keys, name, iv, cipher, mac);
}

}  // namespace

std::optional<TicketKeys::Key> TicketKeys::current(TimePoint now) {
  std::lock_guard lock(mutex_);
  if (keys_.empty() || now - keys_.front().since >= kTicketKeyUse) {
    Key key{.name = {}, .cipher = {}, .mac = {}, .since = now};
    for (std::span<uint8_t> part :
         {std::span<uint8_t>(key.name), std::span<uint8_t>(key.cipher), std::span<uint8_t>(key.mac)})
      if (RAND_bytes(part.data(), static_cast<int>(part.size())) != 1) return {};
    keys_.push_front(key);
  }
  while (now - keys_.back().since >= kTicketKeyUse + kTicketLife) keys_.pop_back();
  return keys_.front();
}

std::optional<TicketKeys::Key> TicketKeys::find(std::span<const uint8_t, 16> name, TimePoint now) {
  std::lock_guard lock(mutex_);
  auto at = std::ranges::find_if(keys_, [&](const Key& key) { return std::ranges::equal(key.name, name); });
  if (at == keys_.end() || now - at->since >= kTicketKeyUse + kTicketLife) return {};
  return *at;
}

bool TicketKeys::serve(SSL_CTX* context) {
  SSL_CTX_set_timeout(context, std::chrono::seconds(kTicketLife).count());
  return SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) == 1;
}

void TicketKeys::serve(SSL* ssl) { SSL_set_ex_data(ssl, place(), this); }

}  // namespace weft::gateway
