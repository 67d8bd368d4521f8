#include "base/remove_tree.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "helpers/temp_dir.h"

namespace minikube::base {

TEST_CASE("a tree goes, however deep, with few descriptors, and nothing that links lead to") {
  test::TempDir dir;
  const std::string top = dir.path() + "/top";
  const std::string other = dir.path() + "/other";
  std::ofstream(other) << "kept";
  REQUIRE(mkdir(top.c_str(), 0700) == 0);
  REQUIRE(symlink(other.c_str(), (top + "/link").c_str()) == 0);
  REQUIRE(symlink(dir.path().c_str(), (top + "/dirlink").c_str()) == 0);
  // Deeper than a path may be long.
  int fd = open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int depth = 0; depth < 3000; ++depth) {
    REQUIRE(mkdirat(fd, "level", 0700) == 0);
    close(openat(fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    const int next = openat(fd, "level", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(next >= 0);
    close(fd);
    fd = next;
  }
  close(fd);

  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit few = before;
  few.rlim_cur = 160;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  const Status removed = RemoveTree(top);
  setrlimit(RLIMIT_NOFILE, &before);
  CHECK(removed.ToString() == "OK");
  CHECK_FALSE(std::filesystem::exists(top));
  CHECK(std::filesystem::exists(other));

  CHECK(RemoveTree(top).ok());  // once more
  REQUIRE(symlink(other.c_str(), top.c_str()) == 0);
  CHECK(RemoveTree(top).ok());
  CHECK(std::filesystem::exists(other));
}

}  // namespace minikube::base
