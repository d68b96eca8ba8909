#!/usr/bin/perl
# Signatures verified and made by Mail::DKIM, with the records in memory; see ../auth_loop.h for the command line.
use strict;
use warnings;
use Mail::DKIM::DNS;
use Mail::DKIM::PrivateKey;
use Mail::DKIM::Signer;
use Mail::DKIM::Verifier;
use Net::DNS;

package Memory;
my %packets;

sub new {
    open my $in, '<', 'records' or die "records: $!\n";
    while (<$in>) {
        chomp;
        my ( $name, $text ) = split / /, $_, 2;
        my $packet = Net::DNS::Packet->new( $name, 'TXT' );
        my @strings = $text =~ /.{1,255}/g;
        $packet->push( answer => Net::DNS::RR->new( name => $name, type => 'TXT', txtdata => \@strings ) );
        $packets{$name} = $packet;
    }
    return bless {}, shift;
}
sub send        { return $packets{ $_[1] } }
sub errorstring { return 'NOERROR' }

package main;

my ( $operation, $path, $seconds ) = @ARGV;
open my $in, '<:raw', $path or die "$path: $!\n";
my $message = do { local $/; <$in> };
$Mail::DKIM::DNS::RESOLVER = Memory->new;
my $key = Mail::DKIM::PrivateKey->load( File => 'rsa.pem' );

sub verify {
    my $dkim = Mail::DKIM::Verifier->new;
    $dkim->PRINT($message);
    $dkim->CLOSE;
    die 'not verified: ' . $dkim->result_detail . "\n" if $dkim->result ne 'pass';
}

sub sign {
    my $dkim = Mail::DKIM::Signer->new(
        Algorithm => 'rsa-sha256', Method => 'relaxed/relaxed', Domain => 'bench.example', Selector => 'r', Key => $key );
    $dkim->PRINT($message);
    $dkim->CLOSE;
    $dkim->signature->as_string;
}

my $once = $operation =~ /^verify/ ? \&verify : \&sign;
$once->();
my ( $count, $begin, $taken ) = ( 0, (times)[0] + (times)[1], 0 );
while ( $taken < $seconds ) {
    $once->();
    $count++;
    $taken = (times)[0] + (times)[1] - $begin;
}
printf "%d %.6f\n", $count, $taken;
