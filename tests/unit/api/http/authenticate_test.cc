#include "api/auth/authenticate.h"

#include <catch2/catch.hpp>

using namespace minikube;
using namespace minikube::api;

namespace {

using Groups = std::vector<std::string>;

}  // namespace

TEST_CASE("authenticate: anonymous without credentials") {
  const UserInfo user = BuiltInAuthenticator().Authenticate(nullptr, "").value();
  CHECK(user.name == "system:anonymous");
  CHECK(user.groups == Groups{"system:unauthenticated"});
  PeerCertificate none;
  CHECK(BuiltInAuthenticator().Authenticate(&none, "").value().name == "system:anonymous");
  CHECK(BuiltInAuthenticator().Authenticate(nullptr, "Basic dTpw").value().name == "system:anonymous");
}

TEST_CASE("authenticate: client certificates") {
  PeerCertificate peer{true, true, "jane", {"dev", "ops"}};
  const UserInfo user = BuiltInAuthenticator().Authenticate(&peer, "").value();
  CHECK(user.name == "jane");
  CHECK(user.groups == Groups{"dev", "ops", "system:authenticated"});

  peer.verified = false;
  CHECK(BuiltInAuthenticator().Authenticate(&peer, "").status().code() == Code::kUnauthorized);
  peer.verified = true;
  peer.common_name.clear();
  CHECK(BuiltInAuthenticator().Authenticate(&peer, "").status().code() == Code::kUnauthorized);
}

TEST_CASE("authenticate: bearer tokens") {
  const BuiltInAuthenticator auth = BuiltInAuthenticator::FromTokenText(
                                        "s3cret,alice,u1,\"admins, devs\"\r\n"
                                        "\n"
                                        "t2,bob,u2\n"
                                        "\"quo\"\"ted,token\",carol,u3,\"system:authenticated\"")
                                        .value();
  const UserInfo alice = auth.Authenticate(nullptr, "Bearer s3cret").value();
  CHECK(alice.name == "alice");
  CHECK(alice.uid == "u1");
  CHECK(alice.groups == Groups{"admins", "devs", "system:authenticated"});
  CHECK(auth.Authenticate(nullptr, "bearer  t2").value().name == "bob");
  const UserInfo carol = auth.Authenticate(nullptr, "Bearer quo\"ted,token").value();
  CHECK(carol.groups == Groups{"system:authenticated"});

  for (const char* wrong : {"Bearer s3cre", "Bearer s3cret1", "Bearer S3CRET", "Bearer alice"}) {
    CAPTURE(wrong);
    CHECK(auth.Authenticate(nullptr, wrong).status().code() == Code::kUnauthorized);
  }
  // A bad token is not forgiven because of a good certificate.
  const PeerCertificate peer{true, true, "jane", {}};
  CHECK(auth.Authenticate(&peer, "Bearer nope").status().code() == Code::kUnauthorized);
  CHECK(auth.Authenticate(&peer, "").value().name == "jane");
}

TEST_CASE("authenticate: token files that make no sense name the line") {
  for (const char* text :
       {"ok,u,1\ntoken,user", "ok,u,1\n,user,uid", "ok,u,1\n\"open,user,uid", "ok,u,1\nto\"ken,user,uid"}) {
    CAPTURE(text);
    const Status status = BuiltInAuthenticator::FromTokenText(text).status();
    CHECK(status.code() == Code::kInternal);
    CHECK(status.message().find("line 2") != std::string::npos);
  }
  CHECK(BuiltInAuthenticator::FromTokenFile("/nonexistent/tokens.csv").status().code() == Code::kInternal);
}
