#include "check/certificate_facts.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string_view>

#include "base/text.h"
#include "gateway/openssl_owners.h"

namespace weft::check {
namespace {

using gateway::Bio;
using gateway::Certificate;
using Names = std::unique_ptr<GENERAL_NAMES, gateway::Freer<GENERAL_NAMES_free>>;

std::optional<std::chrono::system_clock::time_point> time_of(const ASN1_TIME* time) {
  tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

std::string_view text_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<size_t>(ASN1_STRING_length(text))};
}

}  // namespace

std::optional<CertificateFacts> facts_of(const std::string& chain_pem) {
  const Bio bio(BIO_new_mem_buf(chain_pem.data(), static_cast<int>(chain_pem.size())));
  const Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!certificate) return {};
  auto begins = time_of(X509_get0_notBefore(certificate.get())),
       ends = time_of(X509_get0_notAfter(certificate.get()));
  if (!begins || !ends) return {};
  CertificateFacts out{.names = {}, .begins = *begins, .ends = *ends};
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const auto* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) out.names.push_back(lower(text_of(name->d.dNSName)));
  }
  return out;
}

}  // namespace weft::check
