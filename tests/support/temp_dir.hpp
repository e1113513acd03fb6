#pragma once
// TempDir: a private folder, removed with everything in it when the object dies.

#include <filesystem>
#include <string>

namespace ff::test {

class TempDir {
 public:
  // Under $TMPDIR if that is short enough for a unix socket's path (107 bytes), else under /tmp. Throws when it cannot.
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace ff::test
