// A library to preload into apt-get -s, so that one process answers many
// questions: the package cache is opened once, and each question is a fork of
// the process from there on. All that decides is apt-get's own code.
//
// Questions are lines on standard input, the words of an install. An answer is
// "+NAME VERSION ARCHITECTURE" for each package that would be installed,
// "-NAME" for each that would be removed, and "= STATUS", what apt-get would
// have exited with.
#include <apt-pkg/cachefile.h>
#include <apt-pkg/cmndline.h>
#include <apt-pkg/depcache.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <iostream>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

static CommandLine *command;
static int answers = -1;

template <typename F> static F next(char const *name) {
  void *f = dlsym(RTLD_NEXT, name);
  if (f == nullptr) {
    fprintf(stderr, "aptserver: this apt has no %s\n", name);
    _exit(99);
  }
  return reinterpret_cast<F>(f);
}

// DoInstall(CommandLine &): remembers where the words are.
extern "C" bool installHook(CommandLine &) asm("_Z9DoInstallR11CommandLine");
extern "C" bool installHook(CommandLine &line) {
  command = &line;
  return next<bool (*)(CommandLine &)>("_Z9DoInstallR11CommandLine")(line);
}

// pkgCacheFile::Open(OpProgress *, bool): serves, and returns only in a fork.
extern "C" bool openHook(pkgCacheFile *, OpProgress *, bool) asm("_ZN12pkgCacheFile4OpenEP10OpProgressb");
extern "C" bool openHook(pkgCacheFile *file, OpProgress *progress, bool lock) {
  using F = bool (*)(pkgCacheFile *, OpProgress *, bool);
  bool good = next<F>("_ZN12pkgCacheFile4OpenEP10OpProgressb")(file, progress, lock);
  if (not good || command == nullptr)
    return good;
  std::cout.flush();
  answers = dup(1);
  int nowhere = open("/dev/null", O_WRONLY);
  dup2(nowhere, 1);
  dup2(nowhere, 2);
  std::string line;
  while (std::getline(std::cin, line)) {
    pid_t child = fork();
    if (child == 0) {
      auto words = new std::vector<char const *>{"install"};
      std::istringstream in(line);
      for (std::string word; in >> word;)
        words->push_back(strdup(word.c_str()));
      words->push_back(nullptr);
      command->FileList = words->data();
      return true;
    }
    int status = 98 << 8;
    if (child > 0)
      waitpid(child, &status, 0);
    dprintf(answers, "= %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 97);
  }
  _exit(0);
}

// pkgSimulate::pkgSimulate(pkgDepCache *): all has been decided and checked; in
// which order it would be unpacked is of no interest.
extern "C" void simulateHook(void *, pkgDepCache *) asm("_ZN11pkgSimulateC2EP11pkgDepCache");
extern "C" void simulateHook(void *, pkgDepCache *cache) {
  std::ostringstream out;
  for (auto p = cache->PkgBegin(); not p.end(); ++p) {
    auto &state = (*cache)[p];
    if (state.Install()) {
      auto v = state.InstVerIter(*cache);
      out << "+" << p.Name() << " " << v.VerStr() << " " << v.Arch() << "\n";
    } else if (state.Delete())
      out << "-" << p.Name() << "\n";
  }
  std::string text = out.str();
  for (size_t at = 0; at < text.size();) {
    ssize_t n = write(answers, text.data() + at, text.size() - at);
    if (n <= 0)
      _exit(96);
    at += n;
  }
  _exit(0);
}
