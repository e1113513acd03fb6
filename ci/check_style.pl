#!/usr/bin/perl
# Line and function lengths, tabs and banned patterns of the files named as arguments; one finding a line. Core Perl only.
use strict;
use warnings;
use utf8;
use open qw(:std :encoding(UTF-8));

my $line_max = 120;
my %function_max = (cpp => 70, test => 100, lua => 50);
my $verb_file_max = 140;

my @rules = read_rules('ci/check_banned.txt');
check_file($_) for @ARGV;

sub read_rules {
  my ($path) = @_;
  open my $in, '<', $path or die "$path: $!";
  my (@result, %rule);
  my @lines = (<$in>, '');
  chomp @lines;
  for my $line (@lines) {
    next if $line =~ /^#/;
    if ($line =~ /^(in|ban|text|bad|use|why):\s+(.*)$/) { $rule{$1} = $2; next; }
    die "$path: not a rule: $line\n" if $line ne '';
    next unless %rule;
    my $pattern = $rule{ban} // $rule{text};
    die "$path: a rule needs in, ban or text, use and why\n" unless $pattern && $rule{in} && $rule{use} && $rule{why};
    die "$path: $pattern does not match its own example\n" unless ($rule{bad} // '') =~ /$pattern/m;
    my $globs = join '|', map { s/([.\-])/\\$1/gr =~ s/\*/.*/gr } split ' ', $rule{in};
    push @result, {files => qr/^(?:$globs)$/, pattern => qr/$pattern/m, raw => defined $rule{text}, %rule};
    %rule = ();
  }
  return @result;
}

sub complain {
  my ($path, $line, $what) = @_;
  print "$path:$line: $what\n";
}

sub check_file {
  my ($path) = @_;
  return if $path =~ /\.gen\./;
  open my $in, '<', $path or die "$path: $!";
  my $text = do { local $/; <$in> } // '';
  my @lines = split /\n/, $text, -1;
  my $number = 0;
  for my $line (@lines) {
    ++$number;
    complain($path, $number, 'line of ' . length($line) . " characters, at most $line_max") if length $line > $line_max;
    complain($path, $number, 'a tab; use spaces') if $line =~ /\t/;
    complain($path, $number, 'spaces at the end of the line') if $line =~ /[ \r]$/;
  }
  complain($path, $number, 'the last line has no newline') if $text ne '' && $text !~ /\n\z/;
  complain($path, 1, "$number lines, a verb has at most $verb_file_max") if $path =~ m{^lua/verbs/} && $number > $verb_file_max;

  my $code = $path =~ /\.(?:cpp|hpp)$/ ? blank_cpp($text) : $path =~ /\.lua$/ ? blank_lua($text) : blank_shell($text);
  banned($path, $text, $code, \@lines);
  functions_cpp($path, $code) if $path =~ /\.(?:cpp|hpp)$/;
  functions_lua($path, $code) if $path =~ /\.lua$/;
}

sub banned {
  my ($path, $text, $code, $lines) = @_;
  return if $path eq 'ci/check_style.pl';
  for my $rule (@rules) {
    next unless $path =~ $rule->{files};
    my $where = $rule->{raw} ? $text : $code;
    while ($where =~ /$rule->{pattern}/g) {
      my $line = 1 + (substr($where, 0, $-[0]) =~ tr/\n//);
      next if $lines->[$line - 1] =~ /ff-style: allow \S/;
      my $shown = substr($text, $-[0], 40) =~ s/\s+/ /gr;
      complain($path, $line, "'$shown' is banned: use $rule->{use} ($rule->{why})");
    }
  }
}

# Each of these keeps the length and the newlines of what it blanks, so that positions stay true.
sub blank { return $_[0] =~ s/[^\n]/ /gr; }

sub blank_cpp {
  my ($text) = @_;
  $text =~ s{(//[^\n]*|/\*.*?\*/)|(R"([^()\\\s]*)\(.*?\)\3")|("(?:[^"\\\n]|\\.)*")|((?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+')}
            {defined $1 ? blank($1) : '"' . blank(substr(($2 // $4 // $5), 1, -1)) . '"'}gse;
  return $text;
}

sub blank_lua {
  my ($text) = @_;
  $text =~ s{(--\[\[.*?\]\]|--[^\n]*)|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')}
            {defined $1 ? blank($1) : '"' . blank(substr($2, 1, -1)) . '"'}gse;
  return $text;
}

sub blank_shell { return $_[0] =~ s/(^|\s)(#[^\n]*)/$1 . blank($2)/gre; }

# Walks over the braces. A brace opens a function when what stands before it, since the last statement, has a parameter
# list and is not a namespace, a type or a control statement of an enclosing function.
sub functions_cpp {
  my ($path, $code) = @_;
  my $max = $function_max{$path =~ /^tests\// ? 'test' : 'cpp'};
  $code =~ s/^(\s*#(?:[^\n]*\\\n)*[^\n]*)/blank($1)/gme;
  my ($line, $head, $head_line, @open) = (1, '', 1);
  for my $char (split //, $code) {
    if ($char eq "\n") { ++$line; }
    if ($char eq '{') {
      my $inside = grep { $_->{kind} eq 'function' } @open;
      my $kind = 'block';
      if (!$inside) {
        if ($head =~ /\)\s*(?:noexcept\s*)?:[^:].*\w$/s || $head =~ /[=,(]\s*$/) { $kind = 'value'; }
        elsif ($head =~ /\)/ && $head !~ /^\s*(?:namespace|extern)\b/) { $kind = 'function'; }
      }
      push @open, {kind => $kind, line => $head_line, name => $head, rest => $kind eq 'value' ? $head : ''};
      $head = '';
    } elsif ($char eq '}') {
      my $closed = pop @open;
      last unless $closed;
      my $length = $line - $closed->{line} + 1;
      if ($closed->{kind} eq 'function' && $length > $max) {
        my $name = $closed->{name} =~ /([~\w:]+)\s*\(/ ? $1 : 'function';
        complain($path, $closed->{line}, "$name has $length lines, at most $max");
      }
      $head = $closed->{rest};
    } elsif ($char eq ';') {
      $head = '';
    } elsif ($head ne '' || $char =~ /\S/) {
      $head_line = $line if $head eq '';
      $head .= $char;
    }
  }
}

# By indentation: the line that opens a function and the first `end` below it at the same indentation.
sub functions_lua {
  my ($path, $code) = @_;
  my @lines = split /\n/, $code, -1;
  for my $i (0 .. $#lines) {
    next unless $lines[$i] =~ /^(\s*)(?:.*\W)?function\b[^()]*\([^()]*\)\s*$/;
    my $indent = $1;
    for my $j ($i + 1 .. $#lines) {
      next unless $lines[$j] =~ /^\Q$indent\Eend\b/;
      my $length = $j - $i + 1;
      complain($path, $i + 1, "function has $length lines, at most $function_max{lua}") if $length > $function_max{lua};
      last;
    }
  }
}
