# The style of all figures: loaded by every figure's own script, which sets name, width and height (cm) first, and `format` may be given on
# the command line: gnuplot -e "format='png'" NAME.gp
# Colours: Okabe & Ito (2008), told apart by colour-blind readers; dashes and points tell them apart in grey.

if (!exists('format')) format = 'svg'
if (!exists('font')) font = 'DejaVu Sans'
tex = format eq 'tex'
inch = 1/2.54

if (format eq 'svg')  set terminal svg size width*inch*96, height*inch*96 dynamic enhanced font font.',11' linewidth 1.2 background rgb 'white'
if (format eq 'pdf')  set terminal pdfcairo size width cm, height cm enhanced font font.',8' linewidth 1.2
if (format eq 'png')  set terminal pngcairo size width*inch*200, height*inch*200 enhanced font font.',8' fontscale 2.1 linewidth 2.4 pointscale 1.6
if (format eq 'tex')  set terminal cairolatex pdf size width cm, height cm linewidth 1.2
if (format eq 'dumb') set terminal dumb size 120, 40 noenhanced
if (format ne 'dumb') set output name.(tex ? '-latex' : '').'.'.format # tex writes a .pdf of its own beside the .tex

set linetype 1 lc rgb '#0072b2' dt 1 pt 7
set linetype 2 lc rgb '#d55e00' dt 2 pt 5
set linetype 3 lc rgb '#009e73' dt 4 pt 9
set linetype 4 lc rgb '#cc79a7' dt 3 pt 11
set linetype 5 lc rgb '#e69f00' dt 5 pt 13
set linetype 6 lc rgb '#56b4e9' dt '-..' pt 6
set linetype 7 lc rgb '#000000' dt '_. ' pt 4
set linetype 8 lc rgb '#999999' dt '_' pt 8
set linetype 9 lc rgb '#5c3a92' dt '- .' pt 10
set linetype 10 lc rgb '#7a5c00' dt '__-' pt 12
set linetype cycle 10
# Their colours by number, and the shades that keep a line readable on a wide line or region of the same colour.
array colour[10] = [0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x000000, 0x999999, 0x5c3a92, 0x7a5c00]
part(c, shift, t, to) = int(((c >> shift) & 255)*(1 - t) + to*t + 0.5) << shift
blend(c, t, to) = part(c, 16, t, to) + part(c, 8, t, to) + part(c, 0, t, to)
dark(i) = blend(colour[i], 0.5, 0)
pale(i) = blend(colour[i], 0.45, 255)
# Many values of one quantity: dark to light, in order also in grey (viridis, without its lightest end).
set palette defined (0 '#440154', 1 '#414487', 2 '#2a788e', 3 '#22a884', 4 '#7ad151', 4.6 '#b8de29')
unset colorbox

set pointsize 0.45
set border 3 lw 0.8 lc rgb '#404040'
set tics nomirror out scale 0.6
set grid xtics ytics lt 1 dt 1 lw 0.4 lc rgb '#dddddd'
set datafile separator ','
set datafile columnheaders
set encoding utf8
