// SPDX-License-Identifier: Apache-2.0
#include "protocol/tls/handshake.h"

#include <cstring>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "protocol/tls/crypto.h"
#include "protocol/tls/socket_bio.h"

namespace farlane::transport {
namespace {

// What every implementation of TLS 1.3 has, and processors have instructions for.
constexpr char kCipherSuite[] = "TLS_AES_128_GCM_SHA256";

Status Refuse(const std::string& what) {
  return Status(StatusCode::kInvalidArgument, what + ": " + TakeCryptoError());
}

int NoPassphrase(char* /*to*/, int /*size*/, int /*writing*/, void* /*opaque*/) {
  return -1;  // nobody is asked at a terminal
}

Status UseCertificate(SSL_CTX* context, const std::string& cert, const std::string& key) {
  ERR_clear_error();
  SSL_CTX_set_default_passwd_cb(context, NoPassphrase);
  if (SSL_CTX_use_certificate_chain_file(context, cert.c_str()) != 1) {
    return Refuse("the certificate " + cert + " cannot be used");
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return Refuse("the private key " + key + " cannot be used");
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return Refuse("the private key " + key + " does not belong to the certificate " + cert);
  }
  return Status::Ok();
}

int HexValue(char digit) {
  const char* const digits = "0123456789abcdef";
  const char* const found = digit == '\0' ? nullptr : strchr(digits, digit);
  return found == nullptr ? -1 : static_cast<int>(found - digits);
}

bool ReadHex(const char* text, uint8_t (&bytes)[32]) {
  for (size_t i = 0; i < sizeof bytes; ++i) {
    const int high = HexValue(text[2 * i]);
    const int low = high < 0 ? -1 : HexValue(text[2 * i + 1]);
    if (low < 0) {
      return false;
    }
    bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return text[2 * sizeof bytes] == '\0';
}

bool IsAddress(const std::string& host) {
  ASN1_OCTET_STRING* const octets = a2i_IPADDRESS(host.c_str());
  ASN1_OCTET_STRING_free(octets);
  return octets != nullptr;
}

Status ExpectHost(SSL* ssl, const std::string& host) {
  X509_VERIFY_PARAM* const expected = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const bool taken = IsAddress(host) ? X509_VERIFY_PARAM_set1_ip_asc(expected, host.c_str()) == 1
                                     : SSL_set1_host(ssl, host.c_str()) == 1 &&
                                           SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  return taken ? Status::Ok() : Refuse("\"" + host + "\" is no name that a certificate has");
}

}  // namespace

// OpenSSL tells the secrets of a connection to whoever asks to log them; this is its only way of
// handing a connection over.
void NoteSecret(const SSL* ssl, const char* line) {
  auto* const handshake = static_cast<Handshake*>(SSL_get_app_data(ssl));
  const char* const secret = strrchr(line, ' ');
  if (handshake == nullptr || secret == nullptr) {
    return;
  }
  const auto is = [line](const char* label) { return strncmp(line, label, strlen(label)) == 0; };
  if (is("CLIENT_TRAFFIC_SECRET_0 ") && ReadHex(secret + 1, handshake->client_secret_)) {
    ++handshake->secrets_count_;
  }
  if (is("SERVER_TRAFFIC_SECRET_0 ") && ReadHex(secret + 1, handshake->server_secret_)) {
    ++handshake->secrets_count_;
  }
}

namespace {

Result<TlsContext> MakeContext(const SSL_METHOD* method) {
  TlsContext context(SSL_CTX_new_ex(Crypto::Get().library, nullptr, method));
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(context.get(), kCipherSuite) != 1) {
    return Status(StatusCode::kInternal, "OpenSSL does not start: " + TakeCryptoError());
  }
  SSL_CTX_set_max_proto_version(context.get(), TLS1_3_VERSION);
  // Nothing of TLS comes after the handshake: a connection may be another process's by then.
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_keylog_callback(context.get(), NoteSecret);
  return context;
}

}  // namespace

Result<TlsContext> MakeClientContext(const TlsSettings& settings) {
  FARLANE_ASSIGN(TlsContext context, MakeContext(TLS_client_method()));
  ERR_clear_error();
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (settings.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else if (SSL_CTX_load_verify_file(context.get(), settings.ca_file.c_str()) != 1) {
    return Refuse("FARLANE_TLS_CA " + settings.ca_file + " cannot be used");
  }
  if (settings.cert_file.empty() != settings.key_file.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "FARLANE_TLS_CERT and FARLANE_TLS_KEY go together, and one is not set");
  }
  if (!settings.cert_file.empty()) {
    FARLANE_TRY(UseCertificate(context.get(), settings.cert_file, settings.key_file));
  }
  return context;
}

Result<TlsContext> MakeServerContext(const TlsServerSettings& settings) {
  FARLANE_ASSIGN(TlsContext context, MakeContext(TLS_server_method()));
  FARLANE_TRY(UseCertificate(context.get(), settings.cert_file, settings.key_file));
  if (!settings.client_ca_file.empty()) {
    const char* const file = settings.client_ca_file.c_str();
    STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(file);
    if (names == nullptr || SSL_CTX_load_verify_file(context.get(), file) != 1) {
      return Refuse("the client CA " + settings.client_ca_file + " cannot be used");
    }
    SSL_CTX_set_client_CA_list(context.get(), names);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

Handshake::~Handshake() {
  OPENSSL_cleanse(client_secret_, sizeof client_secret_);
  OPENSSL_cleanse(server_secret_, sizeof server_secret_);
}

Result<std::unique_ptr<Handshake>> Handshake::Begin(SSL_CTX* context,
                                                    int socket,
                                                    const std::string& host) {
  std::unique_ptr<Handshake> handshake(new Handshake(!host.empty()));
  FARLANE_TRY(handshake->Prepare(context, socket, host));
  return handshake;
}

Status Handshake::Prepare(SSL_CTX* context, int socket, const std::string& host) {
  ERR_clear_error();
  ssl_.reset(SSL_new(context));
  BIO* const bio = ssl_ == nullptr ? nullptr : NewSocketBio(socket);
  if (bio == nullptr) {
    return Status(StatusCode::kExhausted, "no memory for TLS");
  }
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  host_ = host;
  if (client_) {
    SSL_set_connect_state(ssl_.get());
    return ExpectHost(ssl_.get(), host);
  }
  SSL_set_accept_state(ssl_.get());
  return Status::Ok();
}

Result<TlsHandshake::Step> Handshake::Advance() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    if (secrets_count_ != 2) {
      return Status(StatusCode::kInternal, "the handshake of TLS gave no keys");
    }
    return Step::kDone;
  }
  const int error = SSL_get_error(ssl_.get(), done);
  if (error == SSL_ERROR_WANT_READ) {
    return Step::kWantsRead;
  }
  if (error == SSL_ERROR_WANT_WRITE) {
    return Step::kWantsWrite;
  }
  return WhyFailed(error);
}

Status Handshake::WhyFailed(int error) {
  const unsigned long reason = ERR_peek_error();
  const long verdict = SSL_get_verify_result(ssl_.get());
  if (verdict != X509_V_OK) {
    const std::string whose = client_ ? "the certificate of " + host_ : "the client's certificate";
    ERR_clear_error();
    return Status(StatusCode::kRefused,
                  whose + " is not accepted: " + X509_verify_cert_error_string(verdict));
  }
  const bool eof = error == SSL_ERROR_SYSCALL || error == SSL_ERROR_ZERO_RETURN ||
                   (ERR_GET_LIB(reason) == ERR_LIB_SSL &&
                    ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING);
  if (eof) {
    ERR_clear_error();
    return Status(StatusCode::kUnavailable,
                  client_ ? "it closed the connection during the handshake of TLS; does it speak "
                            "TLS at that address (tls://), or not (tcp://)?"
                          : "the client went away during the handshake of TLS");
  }
  if (ERR_GET_LIB(reason) == ERR_LIB_SSL && ERR_GET_REASON(reason) == SSL_R_WRONG_VERSION_NUMBER) {
    ERR_clear_error();
    return Status(StatusCode::kCorrupt, "it does not speak TLS");
  }
  return Status(StatusCode::kRefused, "no handshake of TLS 1.3: " + TakeCryptoError());
}

TlsState Handshake::state() const {
  TlsState state{};
  memcpy(state.read_secret, client_ ? server_secret_ : client_secret_, sizeof state.read_secret);
  memcpy(state.write_secret, client_ ? client_secret_ : server_secret_, sizeof state.write_secret);
  return state;
}

std::string Handshake::peer_name() const {
  const X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
  char name[256] = {};
  if (certificate != nullptr) {
    X509_NAME_oneline(X509_get_subject_name(certificate), name, sizeof name);
  }
  return name;
}

}  // namespace farlane::transport
