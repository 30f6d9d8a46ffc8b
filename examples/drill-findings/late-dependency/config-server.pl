#!/usr/bin/perl
use strict;
use warnings;
use IO::Socket::INET;
my $server = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1', LocalPort => $ENV{CONFIG_SERVER_PORT}, Listen => 16, ReuseAddr => 1,
) or die "cannot listen: $!\n";
while (1) { close($_) for grep { defined } $server->accept }
