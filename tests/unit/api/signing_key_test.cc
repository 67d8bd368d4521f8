#include "crypto/signing_key.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "crypto/base64url.h"

using namespace minikube;
using nlohmann::json;

namespace {

struct Parts {
  explicit Parts(const std::string& token)
      : header(token.substr(0, token.find('.'))),
        payload(token.substr(header.size() + 1, token.rfind('.') - header.size() - 1)),
        signature(token.substr(token.rfind('.') + 1)) {}
  std::string Joined() const { return header + "." + payload + "." + signature; }
  std::string header;
  std::string payload;
  std::string signature;
};

Code Verified(const SigningKey& key, const std::string& token) { return key.Verify(token).status().code(); }

}  // namespace

TEST_CASE("signing key: what it signs it verifies, also after a restart") {
  const SigningKey key = SigningKey::Generate().value();
  const std::string token = key.Sign(R"({"a":1})").value();
  CHECK(key.Verify(token).value() == R"({"a":1})");

  const SigningKey again = SigningKey::FromPem(key.ToPem().value()).value();
  CHECK(again.id() == key.id());
  CHECK(again.jwk() == key.jwk());
  CHECK(again.Verify(token).value() == R"({"a":1})");

  const json header = json::parse(FromBase64Url(Parts(token).header).value());
  CHECK(header == json{{"alg", "ES256"}, {"kid", key.id()}});
}

TEST_CASE("signing key: tells the public half alone") {
  const json jwk = json::parse(SigningKey::Generate().value().jwk());
  CHECK(jwk["kty"] == "EC");
  CHECK(jwk["crv"] == "P-256");
  CHECK(FromBase64Url(jwk["x"].get<std::string>()).value().size() == 32);
  CHECK(FromBase64Url(jwk["y"].get<std::string>()).value().size() == 32);
  CHECK_FALSE(jwk.contains("d"));
}

TEST_CASE("signing key: nothing else is a token of its own") {
  const SigningKey key = SigningKey::Generate().value();
  const Parts good(key.Sign(R"({"a":1})").value());
  CHECK(Verified(key, good.Joined()) == Code::kOk);
  const auto with_header = [&](const std::string& header) {
    Parts parts = good;
    parts.header = Base64Url(header);
    return parts;
  };

  SECTION("another key") {
    const SigningKey other = SigningKey::Generate().value();
    CHECK(Verified(other, good.Joined()) == Code::kUnauthorized);
    // Not even with our name on it.
    const Parts foreign(other.Sign(R"({"a":1})").value());
    CHECK(Verified(key, good.header + "." + foreign.payload + "." + foreign.signature) == Code::kUnauthorized);
  }
  SECTION("another payload") {
    Parts parts = good;
    parts.payload = Base64Url(R"({"a":2})");
    CHECK(Verified(key, parts.Joined()) == Code::kUnauthorized);
  }
  SECTION("no signature, or another algorithm") {
    for (const char* algorithm : {"none", "None", "HS256", "RS256", "ES384", ""}) {
      CAPTURE(algorithm);
      Parts parts = with_header(json{{"alg", algorithm}, {"kid", key.id()}}.dump());
      CHECK(Verified(key, parts.Joined()) == Code::kUnauthorized);
      parts.signature.clear();
      CHECK(Verified(key, parts.Joined()) == Code::kUnauthorized);
    }
    CHECK(Verified(key, good.header + "." + good.payload + ".") == Code::kUnauthorized);
    CHECK(Verified(key, good.header + "." + good.payload) == Code::kUnauthorized);
    CHECK(Verified(key, good.header + "." + good.payload + "." + Base64Url(std::string(64, '\0'))) ==
          Code::kUnauthorized);
  }
  SECTION("a header that is none") {
    for (const char* header : {"", "{", "[]", "1", "\"ES256\"", R"({"alg":1})", R"({"alg":["ES256"]})"}) {
      CAPTURE(header);
      CHECK(Verified(key, with_header(header).Joined()) == Code::kUnauthorized);
    }
    CHECK(key.Verify(with_header(R"({"alg":"ES256","crit":["x"]})").Joined()).status().message() ==
          "the token has critical extensions");
    CHECK(key.Verify(with_header(R"({"alg":"ES256","kid":"x"})").Joined()).status().message() ==
          "the token's key is not known");
  }
  SECTION("more parts, other spellings, too long") {
    CHECK(Verified(key, good.Joined() + ".x") == Code::kUnauthorized);
    CHECK(Verified(key, good.Joined() + "=") == Code::kUnauthorized);
    CHECK(Verified(key, " " + good.Joined()) == Code::kUnauthorized);
    CHECK(Verified(key, "") == Code::kUnauthorized);
    CHECK(Verified(key, "..") == Code::kUnauthorized);
    const std::string large = key.Sign(std::string(kMaxTokenBytes, 'x')).value();
    CHECK(key.Verify(large).status().message() == "the token is too long");
  }
  SECTION("any byte changed") {
    const std::string token = good.Joined();
    for (std::size_t i = 0; i < token.size(); ++i) {
      for (const char c : {'A', '.', '\0', '\xff'}) {
        std::string changed = token;
        if (changed[i] == c) continue;
        changed[i] = c;
        CAPTURE(i, c);
        CHECK(Verified(key, changed) == Code::kUnauthorized);
      }
      CHECK(Verified(key, token.substr(0, i)) == Code::kUnauthorized);
    }
  }
}

TEST_CASE("signing key: only of the curve that its algorithm means") {
  CHECK(SigningKey::FromPem("").status().code() == Code::kInternal);
  CHECK(SigningKey::FromPem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").status().code() ==
        Code::kInternal);
  // openssl genpkey -algorithm ed25519
  CHECK(SigningKey::FromPem("-----BEGIN PRIVATE KEY-----\n"
                            "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
                            "-----END PRIVATE KEY-----\n")
            .status()
            .code() == Code::kInternal);
}
